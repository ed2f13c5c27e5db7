package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// secrets are the values of secrets by their names.
type secrets map[string][]byte

func (l Layer) secrets(env *layers.Env) (secrets, error) {
	out := secrets{}
	for _, name := range l.Secrets {
		value, err := env.Secret(name)
		if err != nil {
			return nil, err
		}
		if len(value) == 0 {
			return nil, fmt.Errorf("secret %s, which the script needs, has no value: set the variable or write the file that the recipe's secrets name", name)
		}
		out[name] = value
	}
	return out, nil
}

// shortest is the length from which on the line of a secret is looked for: a shorter one is everywhere.
const shortest = 6

// needles are the lines of a value that are long enough to be recognised.
func needles(value []byte) [][]byte {
	var out [][]byte
	for line := range bytes.Lines(value) {
		if line = bytes.TrimSpace(line); len(line) >= shortest {
			out = append(out, line)
		}
	}
	return out
}

// mask hides the values in a text.
func (s secrets) mask(text string) string {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		for _, needle := range needles(s[name]) {
			text = strings.ReplaceAll(text, string(needle), "("+name+")")
		}
	}
	return text
}

// maskError hides the values in an error, which quotes the script's output.
func (s secrets) maskError(ctx context.Context, err error) error {
	if ctx.Err() != nil || len(s) == 0 {
		return err
	}
	return errors.New(s.mask(err.Error()))
}

// check refuses changes that hold a value.
func (s secrets) check(changes *tree.Tree) error {
	var errs []error
	for name, n := range changes.Walk() {
		if len(s) == 0 || n.Type != tree.Regular && n.Type != tree.Symlink {
			continue
		}
		data, err := io.ReadAll(n.Content.Reader())
		if err != nil {
			return fmt.Errorf("read /%s: %w", name, err)
		}
		for _, secret := range slices.Sorted(maps.Keys(s)) {
			for _, needle := range needles(s[secret]) {
				if bytes.Contains(data, needle) || strings.Contains(n.Target, string(needle)) {
					errs = append(errs, fmt.Errorf("the script left the secret %s in /%s: layers are kept in a cache, and hold none", secret, name))
					break
				}
			}
		}
	}
	return errors.Join(errs...)
}
