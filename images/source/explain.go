package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
)

// reason is what kind of error a registry answers with.
type reason int

const (
	unclear reason = iota // it may be gone the next time
	unauthorized
	unknown // it has no such image
	limited // it was asked too often, and again after the times that it said
	untrusted
	plain // it speaks HTTP without TLS
	rejected
	refused // for another reason that lasts
)

func reasonOf(err error) reason {
	var code errcode.ErrorCoder
	switch {
	case errors.As(err, &docker.ErrUnauthorizedForCredentials{}):
		return unauthorized
	case errors.Is(err, docker.ErrTooManyRequests):
		return limited
	case errors.As(err, new(*rejection)):
		return rejected
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return untrusted
	case strings.Contains(err.Error(), http.ErrSchemeMismatch.Error()):
		return plain
	case !errors.As(err, &code):
		return reasonOfStatus(err.Error())
	}
	switch code.ErrorCode() {
	case errcode.ErrorCodeUnauthorized, errcode.ErrorCodeDenied:
		return unauthorized
	case errcode.ErrorCodeTooManyRequests:
		return limited
	case v2.ErrorCodeManifestUnknown, v2.ErrorCodeNameUnknown:
		return unknown
	case errcode.ErrorCodeUnavailable:
		return unclear
	}
	return refused
}

// bareStatus is how the library writes an answer that lacks the words of the distribution specification.
var bareStatus = regexp.MustCompile(`\bStatusCode: (4\d\d),`)

func reasonOfStatus(message string) reason {
	found := bareStatus.FindStringSubmatch(message)
	if found == nil {
		return unclear
	}
	known := map[string]reason{"401": unauthorized, "403": unauthorized, "404": unknown, "408": unclear, "429": limited}
	if r, ok := known[found[1]]; ok {
		return r
	}
	return refused
}

// rejection is what the policy says of an image.
type rejection struct{ error }

func (r *rejection) Unwrap() error { return r.error }

// final tells whether it is of no use to ask the same place again.
func final(err error) bool { return reasonOf(err) != unclear }

// explain adds to an error of a place what to do about it.
func (s *session) explain(ctx context.Context, p place, err error) error {
	if wrong := (*wrongError)(nil); p.local && errors.As(err, &wrong) {
		return fmt.Errorf("%w: it changed since the lock was made; run pkbuild lock", err)
	}
	if errors.As(err, new(*rejection)) {
		return fmt.Errorf("the policy of this machine forbids it (policy.json): %w", err)
	}
	if p.local {
		return err
	}
	host := reference.Domain(p.at)
	switch reasonOf(err) {
	case unauthorized:
		return fmt.Errorf("%w; it does not exist, or podman login %s or an entry in auth.json must let you read it", err, host)
	case limited:
		return fmt.Errorf("%w; %s limits how often it is asked: wait, or log in with podman login %s", err, host, host)
	case untrusted:
		return fmt.Errorf("%w; put the certificate of its authority in /etc/containers/certs.d/%s/ca.crt", err, host)
	case plain:
		return fmt.Errorf("%w; it has no TLS: if you trust the network, set insecure = true for %s in registries.conf", err, host)
	case unknown:
		if tags := s.tags(ctx, p); tags != "" {
			return fmt.Errorf("%w; %s", err, tags)
		}
	}
	return err
}

// tags says which tags there are that are like the one that is not there.
func (s *session) tags(ctx context.Context, p place) string {
	named, ok := p.at.(reference.NamedTagged)
	if !ok {
		return ""
	}
	ref, err := docker.NewReference(named)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, max(time.Second, min(10*time.Second, s.Patience.Stall)))
	defer cancel()
	tags, err := docker.GetRepositoryTags(ctx, s.System, ref)
	if err != nil {
		return ""
	}
	return like(named.Tag(), tags)
}

// like says which of some tags are most like another.
func like(tag string, tags []string) string {
	if len(tags) == 0 {
		return "it has no tags at all"
	}
	distance := map[string]int{}
	for _, t := range tags {
		distance[t] = levenshtein.ComputeDistance(tag, t)
	}
	slices.SortFunc(tags, func(a, b string) int { return cmp.Or(distance[a]-distance[b], strings.Compare(a, b)) })
	return "there are the tags " + strings.Join(tags[:min(5, len(tags))], ", ")
}
