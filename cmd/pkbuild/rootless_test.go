package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/userns"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

func TestRootless(t *testing.T) {
	unavailable := fmt.Errorf("%w: AppArmor", userns.ErrUnavailable)
	for name, test := range map[string]struct {
		uid        int
		again, own error
		ran        bool
		err        string
	}{
		"root":                            {ran: true},
		"in a namespace":                  {uid: 1000},
		"no namespace, all cached":        {uid: 1000, again: unavailable, ran: true},
		"no namespace, a script to run":   {uid: 1000, again: unavailable, own: sandbox.ErrRoot, ran: true, err: sandbox.ErrRoot.Error() + ": cannot create a user namespace: AppArmor"},
		"no namespace, another error":     {uid: 1000, again: unavailable, own: errors.New("x"), ran: true, err: "x"},
		"failed in the namespace":         {uid: 1000, again: exitCode(t, 1), err: cli.ErrReported.Error()},
		"killed in the namespace":         {uid: 1000, again: exitCode(t, 3), err: "run pkbuild in a user namespace: exit status 3"},
		"could not start for another one": {uid: 1000, again: errors.New("pipe"), err: "pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			ran := false
			cmd := rootlessAs(test.uid, func(context.Context) error { return test.again }, func(*cobra.Command, []string) error {
				ran = true
				return test.own
			})
			err := cmd(&cobra.Command{}, nil)
			require.Equal(t, test.ran, ran)
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.err)
		})
	}
}

// exitCode returns the error of a program with an exit code.
func exitCode(t *testing.T, code int) error {
	t.Helper()
	err := exec.Command("/bin/sh", "-c", fmt.Sprint("exit ", code)).Run()
	require.Error(t, err)
	return err
}
