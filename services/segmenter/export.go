package segmenter

import (
	"archive/zip"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// export writes the table beside the cut-outs, and the archive of both.
func (r *run) export(result *Result) error {
	t, err := newTable(r.metadata, r.settings, r.journal.header)
	if err != nil {
		return err
	}
	acq, err := dataset.FileName("acq_id", r.metadata.Text("acq_id"))
	if err != nil {
		return fmt.Errorf("data set %s: %w", r.dir, err)
	}
	result.Table = filepath.Join(result.Dir, "ecotaxa_"+acq+".tsv")
	data := t.write(result.Objects)
	if err := atomicfile.Write(result.Table, data, 0o644); err != nil {
		return err
	}
	if !r.settings.EcoTaxa {
		return nil
	}
	dir := filepath.Join(r.options.Output, "export", "ecotaxa")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	result.Archive = filepath.Join(dir, "ecotaxa_"+acq+".zip")
	if other := archiveOf(result.Archive); other != "" && other != r.options.Path {
		result.Archive = filepath.Join(dir, "ecotaxa_"+strings.ReplaceAll(r.options.Path, "/", "_")+".zip")
	}
	return atomicfile.Replace(context.Background(), result.Archive, func(f *os.File) error {
		return writeArchive(f, filepath.Base(result.Table), data, r.options.Path, result)
	})
}

// archiveOf returns the path of the data set that an archive is of, or "". Acquisitions of different samples may have the
// same name, and the later one does not replace the archive of the first.
func archiveOf(name string) string {
	z, err := zip.OpenReader(name)
	if err != nil {
		return ""
	}
	defer z.Close()
	return z.Comment
}

// writeArchive writes a ZIP archive without compression: all cut-outs and the table. Its comment is the data set's path.
func writeArchive(w io.Writer, table string, data []byte, path string, result *Result) error {
	z := zip.NewWriter(w)
	if err := z.SetComment(path); err != nil {
		return err
	}
	add := func(name string, content []byte) error {
		part, err := z.CreateRaw(&zip.FileHeader{
			Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(content), Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
			CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content)),
		})
		if err != nil {
			return err
		}
		_, err = part.Write(content)
		return err
	}
	for _, o := range result.Objects {
		content, err := os.ReadFile(filepath.Join(result.Dir, o.Cutout()))
		if err != nil {
			return err
		}
		if err := add(o.Cutout(), content); err != nil {
			return err
		}
	}
	if err := add(table, data); err != nil {
		return err
	}
	return z.Close()
}
