package qemu

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/PlanktoScope/pkbuild/overlays"
)

// App is a Compose app of the stage that a guest booted.
type App struct {
	Deployment string         `json:"deployment"`
	Project    string         `json:"project"` // name in Compose, by which its containers are labelled
	Containers []AppContainer `json:"containers"`
}

// AppContainer is a container of a Compose app.
type AppContainer struct {
	Service string `json:"service"`
	Status  string `json:"status"` // as docker ps prints it, such as Up 3 minutes or Exited (0) 1 second ago
}

// appQuestions are the questions about the stage's Compose apps.
func appQuestions() []question {
	return []question{
		{"manifest", "cat " + overlays.CurrentStage + "/forklift-bundle.yml"},
		{"containers", `docker ps --all --filter label=com.docker.compose.project --format '{{.Label "com.docker.compose.project"}}` +
			` {{.Label "com.docker.compose.service"}} {{.Status}}'`},
	}
}

// fillApps joins the apps in the manifest of the stage's bundle with Docker's containers.
func (r *Result) fillApps(manifest, containers Output) error {
	r.Apps = []App{}
	if manifest.Code != 0 {
		return nil // no stage
	}
	var m struct {
		Exports map[string]struct {
			App *struct{ Name string } `yaml:"compose-app"`
		}
	}
	if err := yaml.Unmarshal([]byte(manifest.Text), &m); err != nil {
		return fmt.Errorf("manifest of the guest's stage: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Exports)) {
		if app := m.Exports[name].App; app != nil {
			r.Apps = append(r.Apps, App{Deployment: name, Project: app.Name, Containers: []AppContainer{}})
		}
	}
	if containers.Code != 0 {
		r.NoContainers = containers.Text
		return nil
	}
	for _, line := range lines(containers) {
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 {
			return fmt.Errorf("docker ps in the guest: unexpected line %q", line)
		}
		for i := range r.Apps {
			if a := &r.Apps[i]; a.Project == fields[0] {
				a.Containers = append(a.Containers, AppContainer{fields[1], fields[2]})
			}
		}
	}
	return nil
}

// judgeApps reports apps that are staged and do not run. A container that ended with exit code 0 has done its work.
func judgeApps(r *Result) []string {
	var list []string
	for _, a := range r.Apps {
		switch {
		case r.NoContainers != "":
			list = append(list, fmt.Sprintf("app %s of the stage does not run: %s", a.Deployment, r.NoContainers))
		case len(a.Containers) == 0:
			list = append(list, fmt.Sprintf("app %s of the stage does not run: it has no container; does the image have pkctl-apply.service?", a.Deployment))
		}
		for _, c := range a.Containers {
			if !strings.HasPrefix(c.Status, "Up ") && !strings.HasPrefix(c.Status, "Exited (0)") {
				list = append(list, fmt.Sprintf("service %s of the stage's app %s does not run: %s", c.Service, a.Deployment, c.Status))
			}
		}
	}
	return list
}
