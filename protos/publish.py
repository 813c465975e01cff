"""Makes an image the baseline that ``buf breaking`` compares later ones with.

Usage: ``python protos/publish.py IMAGE BASELINE``. Source positions, and what the imported validation rules define, have no
bearing on the wire and are left out: the baseline stays a third as large.
"""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf import descriptor_pb2


def published(image: bytes) -> bytes:
    """What of ``image`` clients depend on."""
    files = descriptor_pb2.FileDescriptorSet.FromString(image)
    for file in files.file:
        file.ClearField("source_code_info")
        if file.name.startswith("buf/"):
            file.CopyFrom(descriptor_pb2.FileDescriptorProto(name=file.name, package=file.package, syntax=file.syntax))
    return files.SerializeToString(deterministic=True)


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(published(Path(sys.argv[1]).read_bytes()))
