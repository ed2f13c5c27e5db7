package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether lines that are rewritten can be shown: on a terminal that is not dumb, and not in CI.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb"
}
