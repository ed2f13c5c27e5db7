package builder

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// Mirror is the Debian archive to fetch packages from where the recipe names none: the environment's PKBUILD_MIRROR,
// else the mirror of Debian that this machine's apt uses, else Debian's own.
func Mirror(ctx context.Context) string {
	if m := os.Getenv("PKBUILD_MIRROR"); m != "" {
		return m
	}
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)",
		"Created-By: Packages").Output()
	if err != nil {
		return debian.DefaultMirror // a machine without apt
	}
	return aptMirror(string(out))
}

// aptMirror picks the archive of Debian itself out of lines of origin, label and URL; that of its security updates has
// another label.
func aptMirror(targets string) string {
	for line := range strings.Lines(targets) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Debian" && f[1] == "Debian" {
			return strings.TrimSuffix(f[2], "/")
		}
	}
	return debian.DefaultMirror
}
