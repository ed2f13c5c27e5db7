package scenario

import (
	"fmt"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/shell"
)

func (c *checker) file(name string, want *File) {
	out := c.run("stat -c '%F|%a|%U:%G' -- "+shell.Quote(name), queryLimit)
	exists := out.Code == 0
	switch {
	case want.Kind == "absent" && exists:
		c.fail(want, "%s exists, want none", name)
		return
	case want.Kind == "absent":
		return
	case !exists:
		c.fail(want, "%s does not exist", name)
		return
	}
	got := append(strings.Split(out.Text, "|"), "", "", "")
	// stat(1) has longer names for some kinds.
	kind := strings.NewReplacer("regular empty file", "file", "regular file", "file", "symbolic link", "symlink",
		"character special file", "character device", "block special file", "block device").Replace(got[0])
	if want.Kind != "present" {
		equal(c, &want.Kind, "kind", kind)
	}
	if want.Mode != "" && strings.TrimLeft(want.Mode, "0") != strings.TrimLeft(got[1], "0") {
		c.fail(&want.Mode, "mode is %s, want %s", got[1], want.Mode)
	}
	equal(c, &want.Owner, "owner", got[2])
	if want.Target != "" {
		equal(c, &want.Target, "target", c.run("readlink -- "+shell.Quote(name), queryLimit).Text)
	}
	if want.SameAs != "" {
		if out := c.run("cmp -- "+shell.Quote(name)+" "+shell.Quote(want.SameAs), queryLimit); out.Code != 0 {
			c.fail(&want.SameAs, "%s differs from %s: %s", name, want.SameAs, tail(out.Text))
		}
	}
	c.content(name, want)
}

// content reads a file's content if something is expected of it. A mark keeps the final line break.
func (c *checker) content(name string, want *File) {
	if want.Content == nil && want.Matches == nil && want.Lacks == nil {
		return
	}
	out := c.run("cat -- "+shell.Quote(name)+" && echo .", queryLimit)
	if out.Code != 0 {
		c.fail(want, "%s cannot be read: %s", name, tail(out.Text))
		return
	}
	text := strings.TrimSuffix(out.Text, ".")
	if want.Content != nil && *want.Content != text {
		c.fail(want.Content, "content is %s, want %s", tail(text), tail(*want.Content))
	}
	c.contents(want.Matches, want.Lacks, name, text)
}

func (c *checker) command(want *Command) {
	out := c.run(want.Run, want.Limit.or(commandLimit))
	if out.Code != want.Exit {
		c.fail(want, "exit code is %d, want %d: %s", out.Code, want.Exit, tail(out.Text))
	}
	if want.Output != nil && *want.Output != out.Text {
		c.fail(want.Output, "output is %s, want %s", tail(out.Text), tail(*want.Output))
	}
	if c.err == nil {
		c.contents(want.Matches, want.Lacks, "output", out.Text)
	}
}

func (c *checker) container(name string, want *Container) {
	const format = `{{.State.Status}}|{{if .State.Health}}{{.State.Health.Status}}{{end}}|{{.Config.Image}}{{range .Config.Env}}
{{.}}{{end}}`
	out := c.run("docker inspect --type container --format "+shell.Quote(format)+" -- "+shell.Quote(name), queryLimit)
	missing := out.Code != 0 && strings.Contains(out.Text, "No such container")
	switch {
	case want.State == "absent" && !missing:
		c.fail(want, "container %s exists: %s", name, tail(out.Text))
		return
	case want.State == "absent":
		return
	case out.Code != 0:
		c.fail(want, "docker inspect %s: exit code %d: %s", name, out.Code, tail(out.Text))
		return
	}
	first, env, _ := strings.Cut(out.Text, "\n")
	got := append(strings.SplitN(first, "|", 3), "", "")
	state, name := got[0], fmt.Sprintf("container %s", name)
	if want.State == "healthy" || want.State == "unhealthy" {
		state = got[1]
	}
	equal(c, &want.State, name, state)
	c.pattern(&want.Image, name+": image", got[2])
	c.pattern(&want.Env, name+": environment", env)
}
