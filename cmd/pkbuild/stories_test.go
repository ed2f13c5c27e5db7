package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/testscripts"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	testscript.Main(m, map[string]func(){"pkbuild": main})
}

func TestStories(t *testing.T) { testscripts.Stories(t, "pkbuild") }
