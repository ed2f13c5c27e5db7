package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
	"golang.org/x/sync/errgroup"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/images/source"
	"github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/internal/registrytest"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
)

// serve serves a registry and prints its address first.
func serve(ctx context.Context, dir string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	server := &http.Server{Handler: &registrytest.Registry{Dir: dir}}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startRegistry starts serve in a child process.
func startRegistry(ctx context.Context, dir string) (host string, end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "serve", dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	end = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	host, err = bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(host), end, err
}

// pull downloads the image and writes the store to a file system, as a build does.
func pull(ctx context.Context, host, pin, dir string) error {
	conf, policy := filepath.Join(dir, "registries.conf"), filepath.Join(dir, "policy.json")
	trust := fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", host)
	err := errors.Join(os.WriteFile(conf, []byte(trust), 0o644),
		os.WriteFile(policy, []byte(`{"default": [{"type": "insecureAcceptAnything"}]}`), 0o644))
	if err != nil {
		return err
	}
	blobs := images.In(dir, "")
	store := docker.Store{Diff: blobs.Diff, Cache: filepath.Join(dir, "tar-split")}
	client := source.Client{
		Blobs: blobs, Added: store.Prepare, Platform: images.Platform{OS: "linux", Architecture: "arm64"}, Retry: download.DefaultRetry(),
		System: &types.SystemContext{SystemRegistriesConfPath: conf, SignaturePolicyPath: policy},
	}
	ref := source.Pinned{Reference: source.Reference{Name: host + "/bench:1"}, Digest: digest.Digest(pin)}
	all, err := client.FetchAll(ctx, []source.Pinned{ref})
	if err != nil {
		return err
	}
	tree, err := store.Tree(ctx, all)
	if err != nil {
		return err
	}
	fs, err := ext4.Prepare(tree, ext4.Options{UUID: [16]byte{1}, Now: time.Unix(1e9, 0)}, 0)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "store.ext4"))
	if err != nil {
		return err
	}
	write := func(w io.WriterAt) error { return fs.Write(ctx, w, 0) }
	return errors.Join(f.Truncate(fs.Size()), disk.WriteBehind(f, write), f.Sync(), f.Close())
}

// unpack decompresses and copies the layers: the lower bound of the work.
func unpack(ctx context.Context, blobs, dir string) error {
	names, err := filepath.Glob(filepath.Join(blobs, "*"))
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return unpackOne(name, filepath.Join(dir, fmt.Sprint(i)))
		})
	}
	return g.Wait()
}

func unpackOne(name, to string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	zipped, err := gzip.NewReader(bufio.NewReaderSize(in, 1<<20))
	if errors.Is(err, gzip.ErrHeader) {
		return nil // the configuration
	}
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	second, err := os.Create(to + ".copy")
	if err != nil {
		return err
	}
	defer second.Close()
	if _, err := io.Copy(out, zipped); err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(second, out)
	return err
}
