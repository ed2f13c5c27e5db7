package builder

import (
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// checkStarter returns a problem if the staged pallet has Compose apps and the image lacks what starts them: pkctl, its
// unit pkctl-apply.service, Docker and Compose.
func (c *compiler) checkStarter() error {
	for _, l := range c.sources.Recipe.Layers {
		if l.Stage == nil || l.Stage.Starter == "other" {
			continue
		}
		staged, err := c.sources.pallet(l.Stage.Pallet)
		if err != nil {
			return err
		}
		var apps []string
		for _, a := range staged.apps {
			apps = append(apps, a.Deployment)
		}
		missing := c.missingStarter()
		if len(apps) > 0 && len(missing) > 0 {
			return c.sources.Recipe.Problem(l.Stage, "pallet %s has Compose apps (%s), and the image has no %s to start them; "+
				"include pkbuild:stages, or write starter: other if units of your own start them",
				l.Stage.Pallet, strings.Join(apps, ", "), strings.Join(missing, " and no "))
		}
	}
	return nil
}

// missingStarter lists what the plan lacks to start Compose apps. Packages may also come with a vendor's image or from a
// script, so that they are missing for certain only without these.
func (c *compiler) missingStarter() []string {
	var out []string
	for _, file := range []string{"/usr/bin/pkctl", ".wants/pkctl-apply.service"} {
		if !c.hasFile(file) {
			out = append(out, strings.TrimPrefix(file, ".wants/"))
		}
	}
	r := c.sources.Recipe
	if r.Base.Image != nil || slices.ContainsFunc(r.Layers, func(l recipes.Layer) bool { return l.Run != nil }) {
		return out
	}
	for _, p := range []struct {
		name         string
		alternatives []string
	}{
		{"Docker", []string{"docker.io", "docker-ce", "moby-engine"}},
		{"Docker Compose", []string{"docker-compose", "docker-compose-v2", "docker-compose-plugin"}},
	} {
		has := func(l recipes.Layer) bool {
			return slices.ContainsFunc(slices.Concat(l.Packages, l.Install), func(name string) bool {
				return slices.Contains(p.alternatives, debian.PackageName(name))
			})
		}
		if !slices.ContainsFunc(r.Layers, has) {
			out = append(out, p.name)
		}
	}
	return out
}

// hasFile reports whether a layer of files, which may be the stage, has a path that ends so.
func (c *compiler) hasFile(suffix string) bool {
	for _, l := range c.plan.Layers {
		files, ok := l.Layer.(layers.Files)
		if ok && slices.ContainsFunc(files.Entries, func(f layers.File) bool { return strings.HasSuffix(f.Path, suffix) }) {
			return true
		}
	}
	return false
}
