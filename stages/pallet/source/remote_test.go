package source_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

// gitProgram returns the path of one of Git's programs.
func gitProgram(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command(needs.Program(t, "git"), "--exec-path").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), name)
}

// from returns a source with an empty cache and one mirror.
func from(t *testing.T, place string) source.Source {
	t.Helper()
	return source.Source{Cache: t.TempDir(), Mirrors: mirror.Mirrors{"example.org/": place + "/"}}
}

// requireFound finds and resolves a version, with the server and then offline.
func requireFound(t *testing.T, s source.Source, commit string) {
	t.Helper()
	r, err := s.Find(t.Context(), base+"@v1.0.0")
	require.NoError(t, err)
	require.Equal(t, pallet.Lock{Type: "version", Tag: "v1.0.0", Timestamp: "20260101010000", Commit: commit}, r.Lock)
	dir, err := s.Resolve(t.Context(), r)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(dir, "a/b"))
	require.NoError(t, err)
	require.Equal(t, "b\n", string(data))
	s.Offline = true
	again, err := s.Resolve(t.Context(), r)
	require.NoError(t, err, "cached")
	require.Equal(t, dir, again)
}

// gitServer serves repositories over https with git http-backend, behind a password.
func gitServer(t *testing.T, root, password string) *httptest.Server {
	t.Helper()
	git := &cgi.Handler{
		Path: gitProgram(t, "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			code := http.StatusUnauthorized
			if given == "a guest's" {
				code = http.StatusForbidden
			}
			http.Error(w, "<html>no</html>", code)
			return
		}
		git.ServeHTTP(w, r)
	}))
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestHTTPS fetches from a server whose certificate authority the environment names.
func TestHTTPS(t *testing.T) {
	u := newUpstream(t)
	first := u.commit(palletFiles)
	u.tag("v1.0.0", first)
	root := filepath.Dir(filepath.Dir(u.dir))
	s := gitServer(t, filepath.Join(root, "example.org"), "")
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	t.Setenv("SSL_CERT_FILE", file) // is read once, at the first certificate that is looked at
	requireFound(t, from(t, s.URL), first)

	u.tag("v1.1.0", u.commit("-- c --\nc\n"))
	src := from(t, s.URL)
	_, err := src.Find(t.Context(), base+"@v9")
	require.EqualError(t, err, `find "v9" in example.org/base: repository has no such tag or branch`)
	second := u.commit("-- c --\nd\n")
	r, err := src.Find(t.Context(), base+"@"+second[:10])
	require.NoError(t, err, "later commits are fetched")
	require.Equal(t, "v1.1.1-0.20260103010000-"+second[:12], r.Lock.Version())

	_, err = src.Find(t.Context(), "example.org/other@v1")
	require.EqualError(t, err, "fetch example.org/other from "+s.URL+"/other: "+
		"repository does not exist on the server, or this user may not see it")
	require.NoDirExists(t, filepath.Join(src.Cache, "mirrors/example.org/other"), "no incomplete clone")

	closed := gitServer(t, filepath.Join(root, "example.org"), "secret")
	for password, want := range map[string]string{
		"":          "server requires a login: name a mirror with a user and a token, https://USER:TOKEN@…, or one over ssh",
		"wrong":     "server requires a login: name a mirror with a user and a token, https://USER:TOKEN@…, or one over ssh",
		"a guest's": "server denies this user access",
	} {
		at, err := url.Parse(closed.URL)
		require.NoError(t, err)
		if password != "" {
			at.User = url.UserPassword("x", password)
		}
		_, err = from(t, at.String()).Find(t.Context(), base+"@v1.0.0")
		require.EqualError(t, err, "fetch example.org/base from "+at.JoinPath("base").Redacted()+": "+want)
	}
	secret := from(t, strings.Replace(closed.URL, "//", "//x:secret@", 1))
	requireFound(t, secret, first)
	requireNowhere(t, secret.Cache, "secret")

	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	_, err = from(t, stranger.URL).Find(t.Context(), base+"@v1.0.0")
	require.ErrorContains(t, err, "fetch example.org/base from "+stranger.URL+"/base: ")
	require.ErrorContains(t, err, "tls: failed to verify certificate")
}

// requireNowhere requires that no file contains a word.
func requireNowhere(t *testing.T, dir, word string) {
	t.Helper()
	require.NoError(t, filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		require.NotContains(t, string(data), word, name)
		return err
	}))
}

// selfSigned returns a self-signed certificate.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	about := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	data, err := x509.CreateCertificate(rand.Reader, about, about, public, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{data}, PrivateKey: key}
}

// sshServer serves the repositories below a directory over ssh to the owner of a key.
type sshServer struct {
	address string
	host    ssh.Signer
}

func newKey(t *testing.T) (ed25519.PrivateKey, ssh.Signer) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return private, signer
}

func newSSHServer(t *testing.T, root string, allowed ssh.PublicKey) *sshServer {
	t.Helper()
	program := gitProgram(t, "git-upload-pack")
	_, host := newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "git" || string(key.Marshal()) != string(allowed.Marshal()) {
			return nil, fmt.Errorf("nobody known")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn, config, program, root)
		}
	}()
	return &sshServer{l.Addr().String(), host}
}

// serve serves one connection, as git-shell does.
func serve(conn net.Conn, config *ssh.ServerConfig, program, root string) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			_ = r.Reply(r.Type == "exec", nil)
			if r.Type == "exec" {
				_, name, _ := strings.Cut(string(r.Payload[4:]), " ")
				go answer(channel, program, filepath.Join(root, strings.Trim(name, "'")))
			}
		}
	}
}

func answer(channel ssh.Channel, program, dir string) {
	defer channel.Close()
	cmd := exec.Command(program, dir)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(in, channel)
		_ = in.Close()
	}()
	status := struct{ Code uint32 }{}
	if cmd.Run() != nil {
		status.Code = 128
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
}

// TestSSH logs in with the user's key to a server whose key is known.
func TestSSH(t *testing.T) {
	u := newUpstream(t)
	first := u.commit(palletFiles)
	u.tag("v1.0.0", first)
	private, mine := newKey(t)
	s := newSSHServer(t, filepath.Dir(u.dir), mine.PublicKey())
	place := "ssh://git@" + s.address
	home := t.TempDir()
	known := filepath.Join(home, "known_hosts")
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "")
	t.Setenv("SSH_KNOWN_HOSTS", known)
	know := func(key ssh.Signer) {
		require.NoError(t, os.WriteFile(known, []byte(knownhosts.Line([]string{s.address}, key.PublicKey())+"\n"), 0o600))
	}
	own := func(key ed25519.PrivateKey) {
		block, err := ssh.MarshalPrivateKey(key, "")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Join(home, ".ssh"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(home, ".ssh/id_ed25519"), pem.EncodeToMemory(block), 0o600))
	}
	fails := func(want ...string) {
		t.Helper()
		_, err := from(t, place).Find(t.Context(), base+"@v1.0.0")
		for _, part := range append(want, "fetch example.org/base from "+place+"/base: ") {
			require.ErrorContains(t, err, part)
		}
	}
	know(s.host)
	fails("no ssh key found: start an ssh-agent ($SSH_AUTH_SOCK), or put a key without a passphrase in ~/.ssh")
	own(private)
	requireFound(t, from(t, place), first)

	other, wrong := newKey(t)
	know(wrong)
	fails("knownhosts: key mismatch", "the host's key is not the one in ~/.ssh/known_hosts")
	require.NoError(t, os.WriteFile(known, nil, 0o600))
	fails("knownhosts: key is unknown", "compare the key with the one that the host's owner publishes, and add it to ~/.ssh/known_hosts")
	know(s.host)
	own(other)
	fails("unable to authenticate")
	own(private)
	_, err := from(t, place).Find(t.Context(), "example.org/none@v1")
	require.ErrorContains(t, err, "fetch example.org/none from "+place+"/none: ")
}
