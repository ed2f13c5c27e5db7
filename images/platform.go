package images

import (
	"cmp"
	"fmt"
	"strings"
)

// Platform is an operating system, architecture and variant, such as linux/arm64/v8.
type Platform struct{ OS, Architecture, Variant string } // an empty variant matches any

// ParsePlatform parses os/architecture or os/architecture/variant, such as linux/arm64/v8. It fails for another form, but
// accepts unknown names.
func ParsePlatform(text string) (Platform, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return Platform{}, fmt.Errorf("platform %q is not of the form os/architecture[/variant], such as linux/arm64", text)
	}
	return Platform{parts[0], parts[1], strings.Join(parts[2:], "")}, nil
}

func (p Platform) String() string {
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}

// runs reports whether an image for another platform runs on this one. The default variant of arm64 is v8.
func (p Platform) runs(other Platform) bool {
	defaultVariant := map[string]string{"arm64": "v8"}[p.Architecture]
	return p.OS == other.OS && p.Architecture == other.Architecture &&
		(p.Variant == "" || other.Variant == "" || cmp.Or(p.Variant, defaultVariant) == cmp.Or(other.Variant, defaultVariant))
}
