// Tells whether recorded histories of sessions are linearizable, with porcupine.
//
// Usage: linearizable FILE. Each line of FILE is an operation as JSON. Prints a line for each slug that is not linearizable, or that
// could not be decided in time, and exits with 1 if there is one.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const patience = 60 * time.Second

// operation is what a client has asked for, and what it was told. Each write has a token of its own, so that a token stands for one
// version of one session.
type operation struct {
	Slug   string `json:"slug"`
	Client int    `json:"client"`
	Call   int64  `json:"call"`
	Return int64  `json:"return"`
	Verb   string `json:"verb"`
	ID     string `json:"id"`     // of the session that is meant, for update and delete
	Token  string `json:"token"`  // that is written
	Expect string `json:"expect"` // that has to be there, for an update with a version
	Result string `json:"result"` // ok, exists, missing, aborted or unknown
	GotID  string `json:"got_id"`
	Got    string `json:"got"` // the token that was read, or that the deleted session had
}

// session is what is there under a slug. Its id is empty as long as nobody has been told.
type session struct {
	there bool
	id    string
	token string
}

func (s session) is(id string) bool {
	return s.there && (s.id == id || s.id == "")
}

// written gives the state after an operation that succeeds, and whether it can succeed.
func written(s session, o operation) (session, bool) {
	switch o.Verb {
	case "create":
		return session{true, o.GotID, o.Token}, !s.there
	case "apply":
		if !s.there {
			return session{true, o.GotID, o.Token}, true
		}
		if o.GotID != "" && !s.is(o.GotID) {
			return s, false
		}
		return session{true, known(s.id, o.GotID), o.Token}, true
	case "update":
		return session{true, o.ID, o.Token}, s.is(o.ID) && (o.Expect == "" || o.Expect == s.token)
	case "delete":
		return session{}, s.is(o.ID) && (o.Got == "" || o.Got == s.token)
	}
	return s, false
}

func known(one, other string) string {
	if one != "" {
		return one
	}
	return other
}

// step gives every state that can follow.
func step(state, input, output any) []any {
	s, o := state.(session), input.(operation)
	switch o.Result {
	case "unknown":
		if after, can := written(s, o); can {
			return []any{s, after}
		}
		return []any{s}
	case "ok":
		if o.Verb == "get" {
			if s.is(o.GotID) && s.token == o.Got {
				return []any{session{true, o.GotID, o.Got}}
			}
			return nil
		}
		if after, can := written(s, o); can {
			return []any{after}
		}
		return nil
	}
	return refused(s, o)
}

func refused(s session, o operation) []any {
	can := false
	switch o.Result {
	case "exists":
		can = s.there
	case "missing":
		can = !s.there || (o.Verb != "get" && s.id != o.ID)
	case "aborted":
		can = o.Expect == "" || (s.is(o.ID) && s.token != o.Expect)
	}
	if can {
		return []any{s}
	}
	return nil
}

func model() porcupine.Model {
	nondeterministic := porcupine.NondeterministicModel{
		Init:  func() []any { return []any{session{}} },
		Step:  step,
		Equal: func(one, other any) bool { return one == other },
		DescribeOperation: func(input, output any) string {
			o := input.(operation)
			return fmt.Sprintf("%s %s %s %s -> %s %s %s", o.Verb, o.ID, o.Expect, o.Token, o.Result, o.GotID, o.Got)
		},
	}
	return nondeterministic.ToModel()
}

func read(path string) (map[string][]porcupine.Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := map[string][]porcupine.Operation{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, err
		}
		found[o.Slug] = append(found[o.Slug], porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: o.Return})
	}
	return found, lines.Err()
}

func main() {
	histories, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	bad := 0
	for slug, history := range histories {
		switch result, info := porcupine.CheckOperationsVerbose(model(), history, patience); result {
		case porcupine.Illegal:
			bad++
			fmt.Printf("%s: not linearizable, of %d operations\n", slug, len(history))
			if len(os.Args) > 2 {
				_ = porcupine.VisualizePath(model(), info, os.Args[2])
			}
		case porcupine.Unknown:
			bad++
			fmt.Printf("%s: not decided within %v, of %d operations\n", slug, patience, len(history))
		}
	}
	if bad > 0 {
		os.Exit(1)
	}
}
