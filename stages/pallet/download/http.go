package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// file downloads a file and returns its hash, by which it lies among the files. One whose checksum is known is
// downloaded once; any other each time, since it may have become another one.
func (c Cache) file(ctx context.Context, address, checksum string) (digest string, err error) {
	if checksum != "" && c.kept(checksum) {
		return strings.TrimPrefix(checksum, "sha256:"), nil
	}
	content, err := c.open(ctx, address)
	if err == nil {
		digest, err = c.keep(content, checksum)
		err = errors.Join(err, content.Close())
	}
	if err != nil {
		return "", fmt.Errorf("download %s: %w", address, err)
	}
	return digest, nil
}

// open opens a file on a server or in a mirror.
func (c Cache) open(ctx context.Context, address string) (io.ReadCloser, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("it is no http or https URL")
	}
	if place, ok := c.Mirrors.Find(strings.TrimPrefix(address, u.Scheme+"://")); ok {
		if u, err = url.Parse(place); err != nil {
			return nil, err
		}
	}
	if u.Scheme == "file" || u.Scheme == "" {
		return os.Open(u.Path)
	}
	if c.Offline {
		return nil, errOffline
	}
	return c.get(ctx, u.String())
}

func (c Cache) get(ctx context.Context, address string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	client := c.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("the server answers %s", response.Status), response.Body.Close())
	}
	return response.Body, nil
}
