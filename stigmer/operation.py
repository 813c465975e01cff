"""Operations: what an rpc does, as data."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from protobuf import DescFile, DescMethod

from stigmer._proto.ai.stigmer.commons.apiresource.service_options_pb import ext_api_resource_kind
from stigmer._proto.ai.stigmer.iam.iampolicy.v1.rpcauthorization.method_options_pb import (
    RpcAuthorizationConfig,
    ext_config,
    ext_is_public,
    ext_is_skip_authorization,
)
from stigmer.errors import ConfigurationError
from stigmer.kind import Kind
from stigmer.step import Step, commits


@dataclasses.dataclass(frozen=True)
class Operation:
    """An rpc and the row of steps that answers it.

    Attributes:
        method: the rpc's descriptor; types, permission and kind are read from it.
        kind: what the operation is about.
        steps: the operation's own steps, in order. Plugins add to them, never reorder them.
        restart_at: the step at which the run begins again when the write finds that the resource has changed since.
    """

    method: DescMethod
    kind: Kind[Any]
    steps: tuple[Step, ...]
    restart_at: str | None = None

    @property
    def verb(self) -> str:
        """What is done, such as ``get_by_reference``."""
        return re.sub(r"(?=[A-Z])", "_", self.method.name).lower()

    @property
    def name(self) -> str:
        """Kind and verb, such as ``session.get_by_reference``."""
        return f"{self.kind.key}.{self.verb}"

    @property
    def path(self) -> str:
        """The full name of the rpc, as HTTP/2 carries it."""
        return f"/{self.method.parent.type_name}/{self.method.name}"

    @property
    def streams(self) -> bool:
        """Whether the answer is any number of messages."""
        return self.method.proto.server_streaming

    @property
    def request(self) -> type[Any]:
        """The class of the request message."""
        return self.method.input.type

    @property
    def response(self) -> type[Any]:
        """The class of the response message."""
        return self.method.output.type

    @property
    def writes(self) -> bool:
        """Whether one of its own steps writes."""
        return any(map(commits, self.steps))

    @property
    def authorization(self) -> RpcAuthorizationConfig | None:
        """What a caller needs to hold, as the rpc declares it; None when it declares nothing."""
        config: RpcAuthorizationConfig | None = self._option(ext_config)
        return config

    @property
    def skips_authorization(self) -> bool:
        """Whether the rpc declares that no permission is needed: it is public, or looks after itself."""
        return bool(self._option(ext_is_public) or self._option(ext_is_skip_authorization))

    def check_kind(self) -> None:
        """Makes sure that the rpc's service says that it is about ``kind``.

        Raises:
            ConfigurationError: the service carries no option ``api_resource_kind``, or another kind in it.
        """
        service = self.method.parent
        options = service.proto.options
        declared = options[ext_api_resource_kind] if options is not None and ext_api_resource_kind in options else None
        if declared is None:
            raise ConfigurationError(f"{self.name}: service {service.type_name} declares no api_resource_kind")
        if declared != self.kind.number:
            text = f"{self.name}: service {service.type_name} declares the kind {declared}, not {self.kind.key}"
            raise ConfigurationError(text)

    def _option(self, extension: Any) -> Any:
        options = self.method.proto.options
        return options[extension] if options is not None and extension in options else None


def method(file: DescFile, service: str, name: str) -> DescMethod:
    """The descriptor of an rpc.

    Raises:
        ConfigurationError: there is no such rpc in ``file``.
    """
    for candidate in file.services:
        if candidate.name == service:
            for found in candidate.methods:
                if found.name == name:
                    return found
    raise ConfigurationError(f"{file.name} has no rpc {service}/{name}")
