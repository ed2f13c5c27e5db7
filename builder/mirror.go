package builder

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// Mirror returns the URL of the Debian archive for recipes that name none: $PKBUILD_MIRROR, else the mirror that this
// machine's apt uses, else Debian's own.
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

// aptMirror returns the URL of Debian's main archive from lines of origin, label and URL. The archive of security updates
// has another label.
func aptMirror(targets string) string {
	for line := range strings.Lines(targets) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Debian" && f[1] == "Debian" {
			return strings.TrimSuffix(f[2], "/")
		}
	}
	return debian.DefaultMirror
}
