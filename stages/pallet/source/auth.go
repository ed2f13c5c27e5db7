package source

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// keyFiles are the keys in ~/.ssh that are tried where there is no agent, as ssh does.
var keyFiles = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// errNoKey is why nobody can log in.
var errNoKey = errors.New("there is no key to log in with: neither an ssh-agent ($SSH_AUTH_SOCK) nor a key without a passphrase in ~/.ssh")

// auth is how to log in at a place: over ssh with the agent's keys or those of the home directory, else as the URL says.
// Nil leaves it to go-git.
func auth(place string) (transport.AuthMethod, error) {
	at, err := transport.NewEndpoint(place)
	if err != nil || at.Protocol != "ssh" || at.Password != "" || os.Getenv("SSH_AUTH_SOCK") != "" {
		return nil, err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	var keys []ssh.Signer
	for _, name := range keyFiles {
		data, err := os.ReadFile(filepath.Join(home, ".ssh", name))
		if err != nil {
			continue
		}
		if key, err := ssh.ParsePrivateKey(data); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errNoKey
	}
	user := at.User
	if user == "" {
		user = gitssh.DefaultUsername
	}
	return &gitssh.PublicKeysCallback{User: user, Callback: func() ([]ssh.Signer, error) { return keys, nil }}, nil
}

// explain says what to do about an error of a server.
func explain(err error) error {
	var key *knownhosts.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &key) && len(key.Want) > 0:
		return fmt.Errorf("%w: it is not the key that ~/.ssh/known_hosts has for this host: "+
			"somebody may be in between, or the host has a new one", err)
	case errors.As(err, &key):
		return fmt.Errorf("%w: compare the key with what the host's owner states, and add it to ~/.ssh/known_hosts", err)
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return errors.New("the server wants to know who asks: name a mirror with a user and a token, https://USER:TOKEN@…, or one over ssh")
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return errors.New("the server does not let this user read it")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return errors.New("the server has no such repository, or does not show it to this user")
	}
	return err
}

// redacted is a URL as it may be shown: without its password.
func redacted(place string) string {
	u, err := url.Parse(place)
	if err != nil {
		return place
	}
	return u.Redacted()
}
