package source

import (
	"context"
	"sync"

	"go.podman.io/image/v5/types"
)

// connection is an endpoint with what was opened there. Several layers may be downloaded over it at the same time.
type connection struct {
	endpoint

	mu         sync.Mutex
	source     types.ImageSource
	repository *repository
}

// openSource returns the library's view of the endpoint and opens it the first time.
func (c *connection) openSource(ctx context.Context) (types.ImageSource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source != nil {
		return c.source, nil
	}
	src, err := c.ref.NewImageSource(ctx, c.sys)
	if err == nil {
		c.source = src
	}
	return src, err
}

// openRepository returns the endpoint's client for blobs and makes it the first time. The endpoint must not be local.
func (c *connection) openRepository(ctx context.Context) (*repository, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.repository != nil {
		return c.repository, nil
	}
	r, err := newRepository(ctx, c.endpoint)
	if err == nil {
		c.repository = r
	}
	return r, err
}

// closeSource makes the next openSource read the manifest again.
func (c *connection) closeSource() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source == nil {
		return nil
	}
	err := c.source.Close()
	c.source = nil
	return err
}

func (c *connection) close() error {
	if c.repository != nil {
		c.repository.http.CloseIdleConnections()
	}
	return c.closeSource()
}
