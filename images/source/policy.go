//go:build containers_image_openpgp

package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"
)

// policy is what the machine says about signatures. One that says nothing asks for none: that a lock names images by
// digest is then what tells them from others.
func policy(sys *types.SystemContext) (*signature.Policy, error) {
	p, err := signature.DefaultPolicy(sys)
	if errors.Is(err, configfile.ErrConfigFileNotFound) {
		return &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}, nil
	}
	return p, err
}

// allowed tells whether the policy lets an image be used; instance is the digest of the manifest that was chosen from an
// index, else nil.
func allowed(ctx context.Context, sys *types.SystemContext, src types.ImageSource, instance *digest.Digest) (err error) {
	p, err := policy(sys)
	if err != nil {
		return settled{fmt.Errorf("read policy.json: %w", err)}
	}
	c, err := signature.NewPolicyContext(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Destroy()) }()
	if _, err = c.IsRunningImageAllowed(ctx, image.UnparsedInstance(src, instance)); errors.As(err, new(signature.PolicyRequirementError)) {
		return &rejection{err}
	}
	return err
}
