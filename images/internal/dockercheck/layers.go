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

// listLayers writes what Docker has of each layer, in the order of the chain IDs: what it knows of it, and the files. The
// names that Docker thinks up are left out, and so are times from that on which recipes have that name none: Docker does
// not take all from the archive.
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
