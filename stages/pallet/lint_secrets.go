package pallet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// secretPaths are exports that must not be readable by others, with the reason.
var secretPaths = []struct {
	pattern *regexp.Regexp // of the target below exports/overlays
	reason  string
}{
	{regexp.MustCompile(`^(etc|usr/lib)/NetworkManager/system-connections/`), "NetworkManager ignores connections that others can read"},
	{regexp.MustCompile(`^etc/ssh/ssh_host_[a-z0-9]+_key$`), "sshd refuses host keys that others can read"},
	{regexp.MustCompile(`^etc/g?shadow-?$`), "it has the hashes of passwords"},
	{regexp.MustCompile(`^(root|home/[^/]+)/\.ssh/id_[a-z0-9]+$`), "ssh refuses private keys that others can read"},
	{regexp.MustCompile(`(^|/)\.(pgpass|netrc|git-credentials)$`), "it has passwords"},
	{regexp.MustCompile(`^etc/ppp/(chap|pap)-secrets$`), "it has passwords"},
}

// secretTexts are contents that others must not read.
var secretTexts = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----`), "private key"},
	{regexp.MustCompile(`(?m)^PuTTY-User-Key-File-\d`), "private key"},
	{regexp.MustCompile(`\bAGE-SECRET-KEY-1[0-9A-Z]{10}`), "private key"},
	{regexp.MustCompile(`(?mi)^[ \t]*(PrivateKey|PresharedKey)[ \t]*=[ \t]*[A-Za-z0-9+/]{42,}=`), "key of WireGuard"},
	{regexp.MustCompile(`(?mi)^[ \t]*(psk|wpa_passphrase|sae_password|wep-key\d|private-key-password)[ \t]*=[ \t]*[^ \t\r\n]`), "passphrase of a Wi-Fi network"},
	{regexp.MustCompile(`\b(ghp|gho|ghs|github_pat|glpat|xox[bp])[_-][A-Za-z0-9_-]{20,}`), "access token"},
	{regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`), "access key"},
	{regexp.MustCompile(`(?mi)^[ \t]*(export[ \t]+)?[A-Z0-9_]*(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)[ \t]*=[ \t]*["']?[^ \t\r\n"'$<{]{3,}`), "password"},
}

// maxSecretSize is the number of bytes of a file that are searched for secrets.
const maxSecretSize = 64 << 10

// secrets warns of secrets in files of the bundle that others can read: each source once, with its most readable copy.
func (l *linter) secrets(ctx context.Context, p *Pallet) {
	b := bundler{ctx: ctx, roots: l.roots, files: tree{}, skipDownloads: true}
	b.bundle(p, false)
	worst := map[string]File{}
	for _, f := range b.files.list() {
		if f.Source == "" || f.Mode&0o044 == 0 {
			continue
		}
		if old, ok := worst[f.Source]; !ok || !inExports(old) && inExports(f) {
			worst[f.Source] = f
		}
	}
	for _, source := range slices.Sorted(maps.Keys(worst)) {
		l.secret(worst[source])
	}
}

func inExports(f File) bool { return strings.HasPrefix(f.Path, exportsDir+"/") }

// secret warns of a file that others can read if it is a secret by its path or by its content.
func (l *linter) secret(f File) {
	target := strings.TrimPrefix(f.Path, exportsDir+"/overlays/")
	for _, s := range secretPaths {
		if inExports(f) && s.pattern.MatchString(target) {
			l.warn(f.Source+":1:1", "export %s has the permissions %04o: %s; export it with permissions: 0600",
				strings.TrimPrefix(f.Path, exportsDir+"/"), f.Mode.Perm(), s.reason)
			return
		}
	}
	text, err := beginning(f)
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	for _, s := range secretTexts {
		at := s.pattern.FindStringIndex(text)
		if at == nil {
			continue
		}
		position := fmt.Sprintf("%s:%d:1", f.Source, 1+strings.Count(text[:at[0]], "\n"))
		if inExports(f) {
			l.warn(position, "%s can be read by every user of the device: export %s has the permissions %04o; export it with "+
				"permissions: 0600", s.name, strings.TrimPrefix(f.Path, exportsDir+"/"), f.Mode.Perm())
		} else {
			l.warn(position, "%s can be read by every user of the device: the bundle has it as %s; keep it out of the pallet, or "+
				"export it with permissions: 0600", s.name, f.Path)
		}
		return
	}
}

// beginning returns the first bytes of a file.
func beginning(f File) (string, error) {
	in, err := f.Open()
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(in, maxSecretSize))
	return string(text), errors.Join(err, in.Close())
}
