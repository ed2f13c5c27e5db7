package pallet

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// TestEveryRealPackage deploys each package of the real pallets and repositories alone, without features and with each of
// its features. Its apps have no mistakes, and it can be linted.
func TestEveryRealPackage(t *testing.T) {
	const path = "example.org/required"
	for _, name := range []string{"pallet-standard", "device-pkgs", "pallet-segmenter", "pallet-example-minimal", "pallet-example-overlays"} {
		t.Run(name, func(t *testing.T) {
			dir := needs.Shared(t, "pallets/"+name)
			repository := requiring(path, "")
			if _, err := os.Stat(filepath.Join(dir, "forklift-pallet.yml")); err != nil {
				repository = strings.ReplaceAll(repository, "requirements/pallets", "requirements/repositories")
			}
			repository = strings.ReplaceAll(repository, "all.imports.yml", "unused")
			packages := 0
			require.NoError(t, filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
				if err == nil && d.Name() == packageFile {
					packages++
					below, err := filepath.Rel(dir, filepath.Dir(file))
					require.NoError(t, err)
					deployEachFeature(t, repository, others{path: dir}, path+"/"+below)
				}
				return err
			}))
			require.NotZero(t, packages)
		})
	}
}

func deployEachFeature(t *testing.T, repository string, requirements others, name string) {
	t.Helper()
	r := Reader{Resolver: requirements}
	deploy := func(features string) *Pallet {
		p, err := r.Read(t.Context(), write(t, declared("example.org/top")+repository+
			"-- deployments/d.deploy.yml --\npackage: "+name+"\nfeatures: ["+features+"]\n"))
		require.NoError(t, err, "%s with %s", name, features)
		return p
	}
	plain := deploy("")
	pallets := map[string]*Pallet{"": plain}
	for feature := range plain.Deployments[0].Package.Features {
		pallets[feature] = deploy(feature)
	}
	for feature, p := range pallets {
		v := p.Validate(t.Context())
		for _, err := range v.OtherMistakes() {
			require.NoError(t, err, "%s with %s", name, feature)
		}
		_, err := p.Lint(t.Context())
		require.NoError(t, err, "%s with %s", name, feature)
		p.FeatureNames()
		_, err = p.FullImages(t.Context())
		require.NoError(t, err, "%s with %s", name, feature)
	}
}
