package recipes

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// check reports mistakes between values that are valid on their own.
func (d *decoder) check(r *Recipe) {
	var users []*User
	for i := range r.Layers {
		layer := &r.Layers[i]
		for j := range layer.Users {
			users = append(users, &layer.Users[j])
		}
		for j := range layer.Files {
			d.checkFile(&layer.Files[j])
			d.checkContent(&layer.Files[j])
			d.checkExclude(&layer.Files[j])
		}
		d.checkArchitectures(layer.Packages, r.Architecture)
		d.checkArchitectures(layer.Install, r.Architecture)
		if layer.Run != nil {
			d.checkInputs(layer.Run.Inputs)
		}
	}
	d.checkContainers(r.Layers)
	if r.Container != nil {
		d.checkContainer(r)
	} else if at := d.from[&r.Base.Scratch]; at != nil {
		d.problems.add(at.position, "scratch has no kernel to boot and is for recipes with a container section; choose another base")
	}
	d.checkRepositories(r.Repositories)
	d.checkPartitions(r.Disk.Partitions)
	d.checkMirrors(r)
	d.checkUsers(users)
	d.checkSecrets(users, r)
	d.oneStage(r)
}

// checkFile reports a directory as the target of a file.
func (d *decoder) checkFile(f *File) {
	if d.from[&f.Source] == nil && strings.HasSuffix(f.Target, "/") {
		d.problems.add(d.from[&f.Target].position, "%s is a directory; add the name of the file", quote(f.Target))
	}
}

// checkExclude reports excluded paths that the source does not have.
func (d *decoder) checkExclude(f *File) {
	for i := range f.Exclude {
		at := d.from[&f.Exclude[i]]
		if at == nil || f.Exclude[i] == "" {
			continue
		}
		if f.Source == "" {
			d.problems.add(at.position, "only a source directory can have excluded files; remove exclude")
			return
		}
		source := f.Source
		if !filepath.IsAbs(source) {
			source = filepath.Join(d.dir, source)
		}
		if _, err := d.isDir(filepath.Join(source, f.Exclude[i])); err != nil {
			d.problems.add(at.position, "source %s has no %s; remove the path, or correct it", source, quote(f.Exclude[i]))
		}
	}
}

// checkArchitectures reports packages of another architecture than the image's.
func (d *decoder) checkArchitectures(packages []string, architecture string) {
	for i := range packages {
		name, of, qualified := strings.Cut(withoutSuite(packages[i]), ":")
		if qualified && !slices.Contains([]string{architecture, "all", "native"}, of) {
			d.problems.add(d.from[&packages[i]].position, "package %s is for %s, and the image for %s, without other architectures; write %s",
				quote(packages[i]), of, architecture, name)
		}
	}
}

// checkInputs reports inputs with the same file name.
func (d *decoder) checkInputs(inputs []string) {
	for i := range inputs {
		for j := range inputs[:i] {
			if name := path.Base(inputs[i]); inputs[i] != "" && name == path.Base(inputs[j]) {
				d.problems.add(d.from[&inputs[i]].position, "another input has the name %s already; rename one of them", quote(name))
				break
			}
		}
	}
}

// checkContainers reports images with the same name.
func (d *decoder) checkContainers(all []Layer) {
	seen := map[string]*ContainerImage{}
	for _, l := range all {
		if l.Containers == nil {
			continue
		}
		if l.Containers.Create && !l.Containers.Stages {
			d.problems.add(d.from[&l.Containers.Create].position, "without from-stages its apps have no images; remove from-stages, or create")
		}
		for i := range l.Containers.Images {
			image := &l.Containers.Images[i]
			named, err := reference.ParseDockerRef(image.Name)
			if err != nil {
				continue // reported already
			}
			if earlier := seen[named.String()]; earlier != nil {
				d.problems.add(d.from[&image.Name].position, "container image %s is already in %s; remove one of them",
					quote(image.Name), d.from[earlier].where())
				continue
			}
			seen[named.String()] = image
		}
	}
}

// checkRepositories reports repositories with the same name, which is that of a file in /etc/apt/sources.list.d.
func (d *decoder) checkRepositories(all []Repository) {
	for i := range all {
		r := &all[i]
		if r.Name == "debian" {
			d.problems.add(d.from[&r.Name].position, "%s is the name of the base's own archive; choose another", quote(r.Name))
		}
		for j := range all[:i] {
			if r.Name != "" && r.Name == all[j].Name {
				d.problems.add(d.from[&r.Name].position, "repository %s is already in %s; %s",
					quote(r.Name), d.from[&all[j]].where(), d.howToReplace("repositories", r.Name, &r.Name, &all[j]))
				break
			}
		}
	}
}

// oneStage keeps the last stage only: a stage replaces the stage of an included recipe. Two stages in one file are a
// mistake.
func (d *decoder) oneStage(r *Recipe) {
	var last *node
	for i := len(r.Layers) - 1; i >= 0; i-- {
		at := d.from[&r.Layers[i].Stage]
		switch {
		case r.Layers[i].Stage == nil:
		case last == nil:
			last = at
		case at.file == last.file:
			d.problems.add(last.position, "a device starts with one stage, and another one is in line %d; keep one of them", at.line)
		default:
			r.Layers = slices.Delete(r.Layers, i, i+1)
		}
	}
}

// checkMirrors reports places that depend on where pkbuild is run.
func (d *decoder) checkMirrors(r *Recipe) {
	mirrors := d.from[&r.Mirrors]
	if mirrors == nil {
		return
	}
	for _, e := range mirrors.entries {
		if e.value.kind == text && !mirrorPlace.MatchString(r.Mirrors[e.key]) {
			d.problems.add(e.value.position, "%s is not a URL or an absolute path; write %s", quote(r.Mirrors[e.key]),
				"a URL such as https://git.example.org/ or file:///srv/git/, or oci:, docker-archive: or dir: with an absolute path")
		}
	}
}

// mirrorPlace matches a URL, a registry, or a transport of containers/image with an absolute path.
var mirrorPlace = regexp.MustCompile(`^((https?|ssh|docker)://[^ /]+/?|file:///|/|(oci|docker-archive|dir):/|[a-z0-9.-]+\.[a-z0-9.-]+(:[0-9]+)?/|localhost(:[0-9]+)?/)[^\r\n ]*$`)

// checkUsers reports users with the same name or number.
func (d *decoder) checkUsers(users []*User) {
	for i, user := range users {
		for _, earlier := range users[:i] {
			if user.Name != "" && user.Name == earlier.Name {
				d.problems.add(d.from[&user.Name].position, "user %s is already in %s; %s",
					quote(user.Name), d.from[earlier].where(), d.howToReplace("users", user.Name, &user.Name, earlier))
				break
			}
			if user.UID != 0 && user.UID == earlier.UID {
				d.problems.add(d.origin(&user.UID, user).position, "uid %d is already that of the user in %s; write another",
					user.UID, d.from[earlier].where())
				break
			}
		}
	}
}

// howToReplace returns how to resolve two entries of one name, which may be in a file and in an included one.
func (d *decoder) howToReplace(kind, name string, value, earlier any) string {
	if d.from[value].file == d.from[earlier].file {
		return "rename or remove one of them"
	}
	return fmt.Sprintf("rename one of them, or leave the other out with remove: {%s: [%s]}", kind, name)
}

// origin returns the node of a value or, if the value is a default, the node of its owner.
func (d *decoder) origin(value, owner any) *node {
	if n := d.from[value]; n != nil {
		return n
	}
	return d.from[owner]
}

// checkSecrets reports secrets that are not declared or not used.
func (d *decoder) checkSecrets(users []*User, r *Recipe) {
	used := map[string]bool{}
	declared := slices.Sorted(maps.Keys(r.Secrets))
	for _, name := range secretNames(users, r.Layers) {
		at := d.from[name]
		if at == nil || at.kind != text {
			continue
		}
		used[*name] = true
		if slices.Contains(declared, *name) {
			continue
		}
		// The message does not show the text, which may be the password itself.
		if near := spelling.Nearest(*name, declared); near != "" {
			used[near] = true
			d.problems.add(at.position, "secret is not declared; did you mean %s?", quote(near))
			continue
		}
		d.problems.add(at.position, "secret is not declared; add its name to secrets, and do not write a password here")
	}
	if secrets := d.from[&r.Secrets]; secrets != nil {
		for _, e := range secrets.entries {
			if !used[e.key] && !d.unused[e.key] {
				d.problems.add(e.at, "secret is not used; name it as a user's password or for a script, or remove it")
			}
		}
	}
}

// secretNames returns pointers to the values that name a secret.
func secretNames(users []*User, layers []Layer) []*string {
	var out []*string
	for _, user := range users {
		out = append(out, &user.Password)
	}
	for _, l := range layers {
		if l.Run == nil {
			continue
		}
		for i := range l.Run.Secrets {
			out = append(out, &l.Run.Secrets[i])
		}
	}
	return out
}
