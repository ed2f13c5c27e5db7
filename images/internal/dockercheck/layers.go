package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/images/internal/listing"
)

// listLayers writes the metadata and the files of each layer in Docker's store, sorted by chain ID. It leaves out random IDs, and
// times after the date of recipes without one: Docker does not take all times from the archive.
func listLayers(to io.Writer, data string) error {
	unpacked := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	db := filepath.Join(data, "image/overlay2/layerdb/sha256")
	chains, err := os.ReadDir(db)
	if err != nil {
		return err
	}
	for _, chain := range chains {
		known := map[string]string{}
		for _, name := range []string{"cache-id", "diff", "size", "parent"} {
			text, err := os.ReadFile(filepath.Join(db, chain.Name(), name))
			if err != nil && !(name == "parent" && os.IsNotExist(err)) {
				return err
			}
			known[name] = strings.TrimSpace(string(text))
		}
		lines, err := listing.Of(filepath.Join(data, "overlay2", known["cache-id"], "diff"), unpacked)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "layer %s diff %s size %s parent %q\n%s\n", chain.Name(),
			known["diff"], known["size"], known["parent"], strings.Join(lines, "\n")); err != nil {
			return err
		}
	}
	return nil
}
