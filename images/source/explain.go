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
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"oras.land/oras-go/v2/registry/remote/auth"
	orascode "oras.land/oras-go/v2/registry/remote/errcode"
)

// reason is the kind of error that a registry answers with.
type reason int

const (
	transient    reason = iota // a retry may succeed
	unauthorized               // or nonexistent: registries do not always tell these apart
	unknown                    // no such image
	limited                    // too many requests, also after the waits that the registry prescribed
	untrusted                  // an unknown certificate authority
	noTLS
	rejected // by the signature policy
	refused  // for another lasting reason
)

func reasonOf(err error) reason {
	var code errcode.ErrorCoder
	var status *statusError
	var token *orascode.ErrorResponse
	switch {
	case errors.As(err, &docker.ErrUnauthorizedForCredentials{}), errors.Is(err, auth.ErrBasicCredentialNotFound):
		return unauthorized
	case errors.Is(err, docker.ErrTooManyRequests):
		return limited
	case errors.As(err, new(*policyError)):
		return rejected
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return untrusted
	case errors.Is(err, http.ErrSchemeMismatch), strings.Contains(err.Error(), http.ErrSchemeMismatch.Error()):
		return noTLS
	case errors.As(err, &code):
		return reasonOfCode(code.ErrorCode())
	case errors.As(err, &status):
		return reasonOfStatus(status.code)
	case errors.As(err, &token):
		return reasonOfStatus(token.StatusCode)
	}
	if found := statusInText.FindStringSubmatch(err.Error()); found != nil {
		number, _ := strconv.Atoi(found[1])
		return reasonOfStatus(number)
	}
	return transient
}

func reasonOfCode(code errcode.ErrorCode) reason {
	switch code {
	case errcode.ErrorCodeUnauthorized, errcode.ErrorCodeDenied:
		return unauthorized
	case errcode.ErrorCodeTooManyRequests:
		return limited
	case v2.ErrorCodeManifestUnknown, v2.ErrorCodeNameUnknown:
		return unknown
	case errcode.ErrorCodeUnavailable:
		return transient
	}
	return refused
}

// statusInText finds the status of a response without an error code, for which the library has no error type.
var statusInText = regexp.MustCompile(`\bStatusCode: (4\d\d),`)

func reasonOfStatus(status int) reason {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return unauthorized
	case status == http.StatusNotFound:
		return unknown
	case status == http.StatusTooManyRequests:
		return limited
	case status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusRequestedRangeNotSatisfiable:
		return refused
	}
	return transient
}

// isRefusal reports whether the same endpoint would answer a retry with the same error.
func isRefusal(err error) bool { return reasonOf(err) != transient }

// policyError is an image that the signature policy rejects.
type policyError struct{ error }

func (e *policyError) Unwrap() error { return e.error }

// explain adds a way out to an error of an endpoint.
func (s *session) explain(ctx context.Context, e endpoint, err error) error {
	if errors.As(err, new(*policyError)) {
		return fmt.Errorf("this machine's policy.json rejects the image: %w", err)
	}
	if e.local {
		return err
	}
	host := reference.Domain(e.at)
	switch reasonOf(err) {
	case unauthorized:
		return fmt.Errorf("%w; the image does not exist, or needs a login: podman login %s, or an entry in auth.json", err, host)
	case limited:
		return fmt.Errorf("%w; %s limits the rate of requests: wait, or log in with podman login %s", err, host, host)
	case untrusted:
		return fmt.Errorf("%w; put the certificate of the registry's authority in /etc/containers/certs.d/%s/ca.crt", err, host)
	case noTLS:
		return fmt.Errorf("%w; the registry has no TLS: if you trust the network, set insecure = true for %s in registries.conf", err, host)
	case unknown:
		if tags := s.similarTags(ctx, e); tags != "" {
			return fmt.Errorf("%w; %s", err, tags)
		}
	}
	return err
}

// similarTags returns a sentence with the tags that are most similar to the one that does not exist, or an empty string.
func (s *session) similarTags(ctx context.Context, e endpoint) string {
	named, ok := e.at.(reference.NamedTagged)
	if !ok {
		return ""
	}
	ref, err := docker.NewReference(named)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, max(time.Second, min(10*time.Second, s.Retry.StallTimeout)))
	defer cancel()
	tags, err := docker.GetRepositoryTags(ctx, s.System, ref)
	if err != nil {
		return ""
	}
	if len(tags) == 0 {
		return "the repository has no tags"
	}
	return "similar tags: " + strings.Join(mostSimilar(named.Tag(), tags), ", ")
}

// mostSimilar returns up to five tags by their edit distance to another one. It sorts tags.
func mostSimilar(tag string, tags []string) []string {
	distance := map[string]int{}
	for _, t := range tags {
		distance[t] = levenshtein.ComputeDistance(tag, t)
	}
	slices.SortFunc(tags, func(a, b string) int { return cmp.Or(distance[a]-distance[b], strings.Compare(a, b)) })
	return tags[:min(5, len(tags))]
}
