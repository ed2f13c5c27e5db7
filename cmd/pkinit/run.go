package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/initsteps/report"
)

const usage = `usage:
  pkinit step NAME        run a step of the boot, as the systemd services do
  pkinit report [--json]  what became of this boot
  pkinit version
`

// Exit codes.
const (
	done    = 0
	failed  = 1
	misused = 2
)

// run is the command as a user or a service calls it; as process 1 it is something else.
func run(args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 2 && args[0] == "step":
		return exit(step(args[1], stderr), stderr)
	case len(args) == 1 && args[0] == "report":
		return exit(printReport(stdout), stderr)
	case len(args) == 2 && args[0] == "report" && args[1] == "--json":
		return exit(printJSON(stdout), stderr)
	case len(args) == 1 && args[0] == "version":
		fmt.Fprintln(stdout, version)
		return done
	}
	fmt.Fprint(stderr, usage)
	return misused
}

func exit(err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintf(stderr, "pkinit: %v\n", err)
		return failed
	}
	return done
}

func step(name string, stderr io.Writer) error {
	system := initsteps.Linux{}
	b, err := initsteps.Load(system)
	if err != nil {
		return err
	}
	b.Pkinit = version
	r := initsteps.Runner{
		Boot:  initsteps.Boot{System: system, Report: b},
		Print: func(line string) { fmt.Fprintln(stderr, line) },
	}
	return r.One(name)
}

func printJSON(w io.Writer) error {
	data, err := os.ReadFile(report.Path)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func printReport(w io.Writer) error {
	data, err := os.ReadFile(report.Path)
	if err != nil {
		return err
	}
	var b report.Boot
	if err := json.Unmarshal(data, &b); err != nil {
		return fmt.Errorf("parse %s: %w", report.Path, err)
	}
	return writeReport(w, b)
}
