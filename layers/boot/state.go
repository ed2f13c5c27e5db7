package boot

import (
	"path"
	"strconv"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
	"github.com/PlanktoScope/pkbuild/overlays"
)

// addState adds the directories of pkinit's overlays, and its reserve: they are there even if the disk is full before the
// first boot.
func addState(t *tree.Tree, latest time.Time) error {
	var dirs []string
	for _, dir := range []string{"etc", "usr"} {
		dirs = append(dirs, overlays.Upperdir(dir), overlays.Workdir(dir))
	}
	for n := range overlays.ReserveDirs {
		dirs = append(dirs, path.Join(overlays.ReserveDir(), strconv.Itoa(n+1)))
	}
	for _, dir := range dirs {
		if err := t.Put(dir[1:], &tree.Node{Type: tree.Directory, Mode: 0o755, ModTime: latest}); err != nil {
			return err
		}
	}
	zeros := tree.Inline(string(make([]byte, overlays.ReserveSize)))
	return t.Put(overlays.ReserveFile()[1:], &tree.Node{Type: tree.Regular, Mode: 0o600, ModTime: latest, Content: zeros})
}
