package firmware

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
)

// boardsComment begins the line of config.txt that names the boards for which an image was built.
const boardsComment = "# boards: "

// BoardsComment returns the comment line for config.txt that names the boards for which an image is built, without a
// line break. Wanted reads it.
func BoardsComment(names []string) string { return boardsComment + strings.Join(names, " ") }

// Wanted returns the boards for which an image was built, according to the comment that BoardsComment made in its
// config.txt; the boards pi3, pi4 and pi5 if there is none. Names that are not of a board are ignored.
func Wanted(files fs.FS) []Board {
	names := []string{"pi3", "pi4", "pi5"}
	data, err := fs.ReadFile(files, "config.txt")
	if err == nil {
		for line := range bytes.Lines(data) {
			if list, ok := strings.CutPrefix(string(line), boardsComment); ok {
				names = strings.Fields(list)
			}
		}
	}
	return slices.DeleteFunc(Boards(), func(b Board) bool { return !slices.Contains(names, b.Name) })
}
