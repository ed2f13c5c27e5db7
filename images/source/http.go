package source

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/tlsclientconfig"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// httpClient returns a client that trusts the certificates of containers-certs.d(5), goes through the proxy of the
// environment, and waits when a registry answers 429.
func httpClient(e endpoint) (*http.Client, error) {
	dir, err := certificateDir(e.sys, reference.Domain(e.at))
	if err != nil {
		return nil, err
	}
	transport := tlsclientconfig.NewTransport()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: e.insecure}
	if dir != "" {
		if err := tlsclientconfig.SetupCertificates(dir, transport.TLSClientConfig); err != nil {
			return nil, err
		}
	}
	tooMany := &retry.GenericPolicy{
		Retryable: func(resp *http.Response, _ error) (bool, error) {
			return resp != nil && resp.StatusCode == http.StatusTooManyRequests, nil
		},
		Backoff: retry.ExponentialBackoff(2*time.Second, 2, 0.1), MaxWait: time.Minute, MaxRetry: 4,
	}
	return &http.Client{Transport: &retry.Transport{Base: transport, Policy: func() retry.Policy { return tooMany }}}, nil
}

// certificateDir returns the directory with the certificates for a registry; empty: none.
func certificateDir(sys *types.SystemContext, host string) (string, error) {
	root := ""
	if sys != nil {
		if sys.DockerCertPath != "" {
			return sys.DockerCertPath, nil
		}
		if sys.DockerPerHostCertDirPath != "" {
			return filepath.Join(sys.DockerPerHostCertDirPath, host), nil
		}
		root = sys.RootForImplicitAbsolutePaths
	}
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name: "certs", Extension: "d", DoNotUseExtensionForConfigName: true,
		UserId: os.Geteuid(), RootForImplicitAbsolutePaths: root,
	})
	if err != nil {
		return "", err
	}
	for _, dir := range append(paths.DropInDirectories, filepath.Join("/", root, "etc/docker/certs.d")) {
		dir = filepath.Join(dir, host)
		switch _, err := os.Stat(dir); {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", err
		}
	}
	return "", nil
}
