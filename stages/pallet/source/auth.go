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

// keyFiles are the names of keys in ~/.ssh to try without an ssh-agent, as ssh does.
var keyFiles = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

var errNoKey = errors.New("no ssh key found: start an ssh-agent ($SSH_AUTH_SOCK), or put a key without a passphrase in ~/.ssh")

// auth returns the credentials for a URL: over ssh the keys of the home directory, unless there is an agent. Nil leaves the
// choice to go-git, which uses the agent's keys or the password in the URL.
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

// explain adds a way out to an error of a server.
func explain(err error) error {
	var key *knownhosts.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &key) && len(key.Want) > 0:
		return fmt.Errorf("%w: the host's key is not the one in ~/.ssh/known_hosts: "+
			"the host has a new key, or somebody intercepts the connection", err)
	case errors.As(err, &key):
		return fmt.Errorf("%w: compare the key with the one that the host's owner publishes, and add it to ~/.ssh/known_hosts", err)
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return errors.New("server requires a login: name a mirror with a user and a token, https://USER:TOKEN@…, or one over ssh")
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return errors.New("server denies this user access")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return errors.New("repository does not exist on the server, or this user may not see it")
	}
	return err
}

// redacted returns a URL without its password.
func redacted(place string) string {
	u, err := url.Parse(place)
	if err != nil {
		return place
	}
	return u.Redacted()
}
