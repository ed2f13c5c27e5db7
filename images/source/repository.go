package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/docker/distribution/registry/api/errcode"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// repository reads blobs of one repository of a registry, from any offset. The library does that, too, but not for
// others: see docs/upstream.md.
type repository struct {
	scheme, host, path string
	query              string
	http               *http.Client
	auth               *auth.Client
}

// newRepository returns the repository of an endpoint, which speaks HTTPS or, where that is allowed, HTTP.
func newRepository(ctx context.Context, e endpoint) (*repository, error) {
	login, err := config.GetCredentialsForRef(e.sys, e.at)
	if err != nil {
		return nil, fmt.Errorf("read the credentials for %s: %w", e.name, err)
	}
	client, err := httpClient(e)
	if err != nil {
		return nil, err
	}
	r := &repository{scheme: "https", host: registryHost(e.at), path: reference.Path(e.at), http: client}
	if e.insecure && !speaksHTTPS(ctx, client, r.host) {
		r.scheme = "http"
	}
	if e.namespace != "" {
		r.query = "?" + url.Values{"ns": {e.namespace}}.Encode()
	}
	r.auth = &auth.Client{
		Client: client,
		Cache:  auth.NewCache(),
		Credential: auth.StaticCredential(r.host, auth.Credential{
			Username: login.Username, Password: login.Password, RefreshToken: login.IdentityToken,
		}),
		Header: http.Header{"User-Agent": {"pkbuild (+https://github.com/PlanktoScope/pkbuild)"}},
	}
	return r, nil
}

// registryHost returns the host that serves a name: of docker.io it is another one.
func registryHost(name reference.Named) string {
	host := reference.Domain(name)
	if host == "docker.io" {
		return "registry-1.docker.io"
	}
	return host
}

func speaksHTTPS(ctx context.Context, client *http.Client, host string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v2/", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	return err == nil && resp.Body.Close() == nil
}

// open opens a blob at an offset. It returns the offset at which the server begins: 0 where it does not know ranges.
func (r *repository) open(ctx context.Context, d digest.Digest, offset int64) (body io.ReadCloser, from int64, err error) {
	resp, err := r.get(ctx, d, offset)
	if err != nil {
		return nil, 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, 0, nil
	case http.StatusPartialContent:
		if from, err := rangeStart(resp.Header.Get("Content-Range")); err != nil || from != offset {
			return nil, 0, errors.Join(fmt.Errorf("read blob from byte %d: the server sent the range %q",
				offset, resp.Header.Get("Content-Range")), resp.Body.Close())
		}
		return resp.Body, offset, nil
	}
	return nil, 0, errors.Join(fmt.Errorf("fetch blob: %w", responseError(resp)), resp.Body.Close())
}

// get requests a blob. While the registry answers that there are too many requests it waits as long as it says.
func (r *repository) get(ctx context.Context, d digest.Digest, offset int64) (*http.Response, error) {
	ctx = auth.WithScopesForHost(ctx, r.host, "repository:"+r.path+":pull")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.scheme+"://"+r.host+"/v2/"+r.path+"/blobs/"+d.String()+r.query, nil)
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	return r.auth.Do(req)
}

// rangeStart returns the first byte of a Content-Range such as bytes 5-9/10.
func rangeStart(text string) (from int64, err error) {
	_, err = fmt.Sscanf(text, "bytes %d-", &from)
	return from, err
}

// statusError is a response that has no error code of the distribution specification.
type statusError struct {
	code int
	body string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the registry answers %d %s: %.100q", e.code, http.StatusText(e.code), e.body)
}

// responseError returns the error in a response.
func responseError(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	var coded errcode.Errors
	if json.Unmarshal(body, &coded) == nil && len(coded) > 0 {
		return coded[0]
	}
	return &statusError{resp.StatusCode, string(body)}
}
