//go:build !containers_image_openpgp

package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

// allowed is what a build without the tag containers_image_openpgp knows of policies: it verifies no signature, and so
// refuses all images where the policy asks for one anywhere.
func allowed(_ context.Context, sys *types.SystemContext, _ types.ImageSource, _ *digest.Digest) error {
	files := policyFiles(sys)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) && len(files) > 1 {
			continue
		}
		if err == nil {
			err = anything(data)
		}
		if err == nil || errors.As(err, new(*rejection)) {
			return err
		}
		return settled{fmt.Errorf("read policy.json: %w", err)}
	}
	return nil
}

// policyFiles are the usual places of the policy, of which the first that is there counts, or the one that is named.
func policyFiles(sys *types.SystemContext) []string {
	if sys != nil && sys.SignaturePolicyPath != "" {
		return []string{sys.SignaturePolicyPath}
	}
	if name := os.Getenv("CONTAINERS_POLICY_JSON"); name != "" {
		return []string{name}
	}
	root := "/"
	if sys != nil && sys.RootForImplicitAbsolutePaths != "" {
		root = sys.RootForImplicitAbsolutePaths
	}
	out := []string{filepath.Join(root, "etc/containers/policy.json"), filepath.Join(root, "usr/share/containers/policy.json")}
	if dir, err := os.UserConfigDir(); err == nil {
		out = slices.Insert(out, 0, filepath.Join(dir, "containers/policy.json"))
	}
	return out
}

// anything tells whether a policy accepts whatever it is.
func anything(data []byte) error {
	type requirements []struct{ Type string }
	var p struct {
		Default    requirements
		Transports map[string]map[string]requirements
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	all := p.Default
	for _, scopes := range p.Transports {
		all = slices.Concat(append([]requirements{all}, slices.Collect(maps.Values(scopes))...)...)
	}
	for _, r := range all {
		if r.Type != "insecureAcceptAnything" {
			return &rejection{fmt.Errorf("it asks for %q, which only a pkbuild can verify that `make build` compiled", r.Type)}
		}
	}
	return nil
}
