package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/cmd/pkinit/usage"
	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

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
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help"):
		fmt.Fprint(stdout, usage.Text())
		return done
	}
	fmt.Fprint(stderr, usage.Text())
	return misused
}

func exit(err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintf(stderr, "pkinit: %v\n", err)
		return failed
	}
	return done
}

func step(name string, stderr io.Writer) (err error) {
	system := initsteps.Linux{}
	unlock, err := lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	r, err := initsteps.LoadReport(system, version)
	if err != nil {
		return err
	}
	b := initsteps.Boot{System: system, Report: r, Print: func(line string) { fmt.Fprintln(stderr, line) }}
	return b.One(name)
}

// lock waits until no other step runs: each reads the report, adds to it and writes it.
func lock() (unlock func() error, err error) {
	dir := filepath.Dir(report.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Flock(context.Background(), d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d.Close, nil
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
