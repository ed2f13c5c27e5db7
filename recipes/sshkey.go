package recipes

import (
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/ssh"
)

// checkKeyFile checks each line of an authorized_keys file.
func checkKeyFile(s string) error {
	number := 0
	for line := range strings.Lines(s) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := checkAuthorizedKey(line); err != nil {
			return fmt.Errorf("line %d of the authorized keys: %w", number, err)
		}
	}
	return nil
}

var (
	keyType  = regexp.MustCompile(`(?:^|\s)((?:ssh|sk-ssh|ecdsa-sha2|sk-ecdsa-sha2)-[a-z0-9@.-]+)(?:\s|$)`)
	onlyCode = regexp.MustCompile(`^[A-Za-z0-9+/]{40,}={0,2}$`)
)

// checkAuthorizedKey checks a public key as in sshd(8), AUTHORIZED_KEYS FILE FORMAT. Errors do not show a private key.
func checkAuthorizedKey(s string) error {
	kind := keyType.FindStringSubmatch(s)
	_, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(s))
	switch {
	case err == nil && len(rest) == 0:
		return nil
	case strings.Contains(s, "PRIVATE KEY") || onlyCode.MatchString(s):
		return fmt.Errorf("value is a private key or a part of one; write the public key, as in id_ed25519.pub, " +
			"and replace the private key if others may have seen it")
	case strings.HasSuffix(s, ".pub") && !strings.Contains(s, " "):
		return fmt.Errorf("%s is the name of a file; write its content", quote(s))
	case kind != nil:
		return fmt.Errorf("public key of type %s is truncated or damaged; copy the line of id_ed25519.pub again", kind[1])
	}
	return fmt.Errorf("%s is not an SSH public key; write one line, as in id_ed25519.pub", quote(s))
}
