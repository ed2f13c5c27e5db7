package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
)

// addFetch adds the flag of what makes a stage the next one.
func (d *device) addFetch(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.noFetch, "no-fetch", false, "make the stage next even if container images that it needs are missing")
}

// fetchImages has the images of a stage fetched that are missing. The error says what to do.
func (d *device) fetchImages(cmd *cobra.Command, stage int) error {
	if d.noFetch {
		return nil
	}
	names, err := images.Of(cmd.Context(), d.dir, stage)
	if err != nil {
		return fmt.Errorf("%w\n(to make it next nevertheless: pkctl stage set-next %d --no-fetch)", err, stage)
	}
	record, err := images.ReadRecord(d.dir)
	if err != nil {
		return err
	}
	shown := &fetchFace{w: cmd.ErrOrStderr()}
	err = images.Fetcher{Docker: docker.Client{}, Say: shown.event, Wait: time.Second}.Fetch(cmd.Context(), record, names)
	shown.close()
	if err == nil || cmd.Context().Err() != nil {
		return err
	}
	first := "once there is a network"
	if errors.Is(err, docker.ErrNone) {
		first = "install or start Docker (systemctl start docker), then"
	}
	return fmt.Errorf("%w\n(%s: pkctl stage set-next %d; without a network: pkctl stage import; to make it next nevertheless: "+
		"pkctl stage set-next %d --no-fetch)", err, first, stage, stage)
}

// fetchFace shows how images are fetched: each state as a line, on a terminal the layers, too, in a line that is
// rewritten.
type fetchFace struct {
	w    io.Writer
	live bool // the line is to be rewritten
}

func (f *fetchFace) event(e images.Event) {
	const rewrite = "\r\x1b[K"
	switch {
	case e.State != images.Layers:
		f.close()
		fmt.Fprintln(f.w, e)
	case isTerminal(f.w):
		fmt.Fprint(f.w, rewrite, e)
		f.live = true
	}
}

func (f *fetchFace) close() {
	if f.live {
		fmt.Fprintln(f.w)
	}
	f.live = false
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// note notes what images some stages need that are about to be deleted, and returns the record. Stages that cannot be
// read need none.
func (d *device) note(cmd *cobra.Command, stages []int) (images.Record, error) {
	record, err := images.ReadRecord(d.dir)
	if err != nil {
		return record, err
	}
	names, _ := images.OfAll(cmd.Context(), d.dir, stages) // whoever could read them noted theirs
	if len(names) == 0 {
		return record, nil
	}
	record = record.WithNames(names)
	return record, record.Write(d.dir)
}

func linkCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:   "link-images",
		Short: "Tell Docker the digests of images that came in a file; a unit does so before Docker starts",
		Long: "Tell Docker the digests of images that came in a file. `docker load` takes no digests, and a running Docker\n" +
			"learns them by pulling only: they are entered before Docker starts, by a unit, at every boot.",
		Hidden: true,
		Args:   cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			record, err := images.ReadRecord(d.dir)
			if err != nil {
				return err
			}
			n, err := images.Link(record)
			if err != nil || n == 0 {
				return err
			}
			return say(cmd, "%d images have the digests now by which stages name them\n", n)
		},
	}
}
