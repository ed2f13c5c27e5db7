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

// policy returns the machine's signature policy. Without a policy.json it requires no signatures: the digests in the lock
// identify the images.
func policy(sys *types.SystemContext) (*signature.Policy, error) {
	p, err := signature.DefaultPolicy(sys)
	if errors.Is(err, configfile.ErrConfigFileNotFound) {
		return &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}, nil
	}
	return p, err
}

// checkPolicy returns a policyError if the signature policy rejects an image. instance is the digest of the manifest that
// was chosen from an index, else nil.
func checkPolicy(ctx context.Context, sys *types.SystemContext, src types.ImageSource, instance *digest.Digest) (err error) {
	p, err := policy(sys)
	if err != nil {
		return permanentError{fmt.Errorf("read policy.json: %w", err)}
	}
	c, err := signature.NewPolicyContext(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Destroy()) }()
	if _, err = c.IsRunningImageAllowed(ctx, image.UnparsedInstance(src, instance)); errors.As(err, new(signature.PolicyRequirementError)) {
		return &policyError{err}
	}
	return err
}
