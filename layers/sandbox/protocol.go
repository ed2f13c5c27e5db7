package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The supervisor and the process that started it exchange JSON values over a socket: first the job, then the
// supervisor's requests, each of which is answered.

// job is what a supervisor has to do.
type job struct {
	Args     []string
	Env      []string
	Memory   int64  // size of a tmpfs for all files, in bytes; 0: they lie in the working directory
	Emulator string // line to register with binfmt_misc; may be empty
	Aside    bool
	Serve    bool
	Network  bool
}

// request is one of the supervisor's: exactly one field is set.
type request struct {
	Extract string `json:",omitempty"` // directory below the supervisor's own to extract the tree of this name into
	Listen  bool   `json:",omitempty"` // on the socket in the directory of Aside
	Warning string `json:",omitempty"` // for the user
	Failure string `json:",omitempty"` // of the supervisor itself: it ends
}

// answer is empty if the request was granted.
type answer struct{ Error string }

// connection is the supervisor's end.
type connection struct {
	in  *json.Decoder
	out *json.Encoder
}

func newConnection(rw io.ReadWriter) *connection {
	return &connection{json.NewDecoder(rw), json.NewEncoder(rw)}
}

func (c *connection) ask(r request) error {
	if err := c.out.Encode(r); err != nil {
		return fmt.Errorf("ask the parent process: %w", err)
	}
	var a answer
	if err := c.in.Decode(&a); err != nil {
		return fmt.Errorf("wait for the parent process: %w", err)
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}
