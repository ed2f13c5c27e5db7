package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/PlanktoScope/pkbuild/testscripts"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"pkctl": main}) }

func TestStories(t *testing.T) { testscripts.Stories(t, "pkctl") }
