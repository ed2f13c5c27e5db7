package images

import (
	"cmp"
	"fmt"
	"strings"
)

// Platform is for what an image's programs were made.
type Platform struct{ OS, Architecture, Variant string } // the variant may be empty: any

// ParsePlatform reads os/architecture or os/architecture/variant, such as linux/arm64/v8.
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

// runs tells whether what was made for another platform runs on this one. All of arm64 is v8 unless it says otherwise.
func (p Platform) runs(other Platform) bool {
	usual := map[string]string{"arm64": "v8"}[p.Architecture]
	return p.OS == other.OS && p.Architecture == other.Architecture &&
		(p.Variant == "" || other.Variant == "" || cmp.Or(p.Variant, usual) == cmp.Or(other.Variant, usual))
}
