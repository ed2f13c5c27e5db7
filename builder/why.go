package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// Reasons says for one layer of a plan whether it is cached and, if not, which of its inputs changed.
type Reasons struct {
	Layer   string     `json:"layer"` // name, with a number from the second layer of that name on
	Key     string     `json:"key"`
	Cached  bool       `json:"cached"`
	Made    *time.Time `json:"made,omitempty"` // if cached
	Reasons []string   `json:"reasons"`        // empty if cached
	Note    string     `json:"note,omitempty"`
}

// Why returns, for each layer of a plan, the lowest first, whether it is cached and, if not, what changed since the last
// build of this recipe with this cache. dir is the directory of the recipe. Why builds nothing.
func Why(p *Plan, dir string, c Caches) ([]Reasons, error) {
	last, err := readHistory(c.Cache, dir, p.Name)
	if err != nil {
		return nil, err
	}
	var out []Reasons
	key, store := layers.Root(p.Date), c.store()
	names := labels(p.Layers, func(l Layer) string { return l.Name })
	changed := "" // the lowest layer that differs from the last build
	stored := p.stored()
	for i, l := range p.Layers {
		if key, err = layers.KeyOf(l.Layer, key); err != nil {
			return nil, err
		}
		now, err := layers.NewRecord(l.Name, l.Layer)
		if err != nil {
			return nil, err
		}
		r := Reasons{Layer: names[i], Key: key.String(), Reasons: []string{}}
		own, err := last.compare(names[i], now)
		if err != nil {
			return nil, err
		}
		if err := r.find(store, key, l, stored[i], own, changed, last.key(names[i]) == r.Key); err != nil {
			return nil, err
		}
		if len(own) > 0 && changed == "" && last != nil {
			changed = names[i]
		}
		out = append(out, r)
	}
	return out, nil
}

// find looks a layer up in the store. The reasons for a missing layer are its own changes, or those of a layer below.
func (r *Reasons) find(s layers.Store, key layers.Key, l Layer, stored bool, own []string, below string, same bool) error {
	record, err := s.Record(key)
	switch {
	case l.Layer.Kind().Kept:
		r.Reasons = append([]string{"rebuilt for every image: quick to build"}, own...)
		return nil
	case !stored:
		r.Reasons = append([]string{"rebuilt for every image: may hold secrets"}, own...)
		return nil
	case err == nil:
		r.Cached, r.Note = true, unlockedNote(l, s, key)
		if !record.Made.IsZero() {
			r.Made = &record.Made
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if d, ok := l.Layer.(debian.Layer); ok && d.Lock == nil {
		r.Note = "not locked: the newest packages will be installed"
	}
	r.Reasons = append(r.Reasons, own...)
	switch {
	case same:
		r.Reasons = append(r.Reasons, "pruned from the cache")
	case below != "":
		r.Reasons = append(r.Reasons, "layer below changed: "+below)
	case len(own) == 0:
		r.Reasons = append(r.Reasons, "layer below changed")
	}
	return nil
}

// compare lists the differences of a layer from the one of the same name in the last build.
func (b *lastBuild) compare(name string, now layers.Record) ([]string, error) {
	if b == nil {
		return []string{"no earlier build of this recipe in this cache"}, nil
	}
	old := b.layer(name)
	switch {
	case old == nil:
		return []string{"new layer"}, nil
	case old.Kind != now.Kind:
		return []string{fmt.Sprintf("kind: %s → %s", old.Kind, now.Kind)}, nil
	}
	changes, err := diffJSON(old.Spec, now.Spec)
	if old.Version != now.Version {
		changes = slices.Insert(changes, 0, fmt.Sprintf("version of kind %s: %d → %d", now.Kind, old.Version, now.Version))
	}
	if old.Version == now.Version && old.Code != now.Code {
		changes = slices.Insert(changes, 0, fmt.Sprintf("scripts of kind %s: %s → %s", now.Kind, old.Code, now.Code))
	}
	return changes, err
}

func (b *lastBuild) layer(name string) *builtLayer {
	for i, label := range labels(b.Layers, func(m builtLayer) string { return m.Name }) {
		if label == name {
			return &b.Layers[i]
		}
	}
	return nil
}

func (b *lastBuild) key(name string) string {
	if b == nil || b.layer(name) == nil {
		return ""
	}
	return b.layer(name).Key
}

// labels returns the names of layers, with a number from the second layer of a name on.
func labels[L any](all []L, name func(L) string) []string {
	count := map[string]int{}
	var out []string
	for _, l := range all {
		label := name(l)
		if count[label]++; count[label] > 1 {
			label = fmt.Sprintf("%s %d", label, count[label])
		}
		out = append(out, label)
	}
	return out
}
