package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/validation"
	"go.yaml.in/yaml/v4"
)

// errNotPlain is the error of loadPlain for files that need compose-go's own validation.
var errNotPlain = errors.New("compose files use features, such as include or extends, that the plain loader does not handle")

// project loads the files of an app. It validates plain files with a schema that is compiled once; all other files, and
// plain files with a mistake, are loaded and validated by compose-go alone, whose messages are better.
func (s Source) project(ctx context.Context) (*types.Project, error) {
	p, err := s.loadPlain(ctx)
	if err == nil {
		return p, nil
	}
	return loader.LoadWithContext(ctx, s.details(), s.options)
}

func (s Source) details() types.ConfigDetails {
	d := types.ConfigDetails{WorkingDir: s.workingDir(), Environment: types.Mapping{}}
	for _, f := range s.Files {
		d.ConfigFiles = append(d.ConfigFiles, types.ConfigFile{Filename: f.Name, Content: f.Content})
	}
	return d
}

func (s Source) options(o *loader.Options) {
	o.SetProjectName(s.Name, true)
	o.SkipResolveEnvironment = true // do not read env files: App has nothing from them
	o.MaxNodeVisits = 10 * maxValues
	o.ResourceLoaders = []loader.ResourceLoader{included{s.Find}}
}

// loadPlain does what compose-go does, with validate in place of its own validation by the schema.
func (s Source) loadPlain(ctx context.Context) (*types.Project, error) {
	d := s.details()
	interpolate := *loader.ToOptions(&types.ConfigDetails{
		Environment: types.Mapping{consts.ComposeProjectName: s.Name},
	}, nil).Interpolate
	plain := func(o *loader.Options) {
		s.options(o)
		o.SkipValidation = true
		o.Interpolate = nil // done below
	}
	for i := range d.ConfigFiles {
		f := &d.ConfigFiles[i]
		config, err := decodePlain(f.Content)
		if err != nil {
			return nil, err
		}
		if config, err = interpolation.Interpolate(config, interpolate); err != nil {
			return nil, err
		}
		if err := validate(config); err != nil {
			return nil, fmt.Errorf("validate %s: %w", f.Filename, err)
		}
		delete(config, "version") // obsolete and ignored
		f.Config, f.Content = config, nil
	}
	model, err := loader.LoadModelWithContext(ctx, d, plain)
	if err != nil {
		return nil, err
	}
	if err := validation.Validate(model); err != nil {
		return nil, err
	}
	return loader.ModelToProject(model, loader.ToOptions(&d, []func(*loader.Options){plain}), d)
}

// decodePlain decodes a compose file. It fails with errNotPlain if the file includes or extends others, has several
// documents, or the tags !reset or !override: compose-go validates such files after merging.
func decodePlain(content []byte) (map[string]any, error) {
	if bytes.Contains(content, []byte("!reset")) || bytes.Contains(content, []byte("!override")) {
		return nil, errNotPlain
	}
	var config map[string]any
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&config); err != nil {
		return nil, err
	}
	var more any
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errNotPlain
	}
	services, _ := config["services"].(map[string]any)
	for _, service := range services {
		fields, _ := service.(map[string]any)
		if _, extends := fields["extends"]; extends {
			return nil, errNotPlain
		}
	}
	if _, includes := config["include"]; includes {
		return nil, errNotPlain
	}
	return config, nil
}
