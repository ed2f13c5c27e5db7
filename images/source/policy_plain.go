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

// checkPolicy is for a build without the tag containers_image_openpgp, which cannot verify signatures: it rejects all images
// if the policy requires a signature anywhere.
func checkPolicy(_ context.Context, sys *types.SystemContext, _ types.ImageSource, _ *digest.Digest) error {
	files := policyFiles(sys)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) && len(files) > 1 {
			continue
		}
		if err == nil {
			err = requireAnything(data)
		}
		if err == nil || errors.As(err, new(*policyError)) {
			return err
		}
		return permanentError{fmt.Errorf("read policy.json: %w", err)}
	}
	return nil
}

// policyFiles returns the paths of policy.json, of which the first that exists counts.
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

// requireAnything returns a policyError unless a policy accepts every image.
func requireAnything(data []byte) error {
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
			return &policyError{fmt.Errorf("policy.json requires %q, which this build of pkbuild cannot verify; compile it with make build", r.Type)}
		}
	}
	return nil
}
