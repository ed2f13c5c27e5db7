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

// Reasons is what Why says of one layer.
type Reasons struct {
	Layer   string     `json:"layer"` // its name, with a number where several have it
	Key     string     `json:"key"`
	Cached  bool       `json:"cached"`
	Made    *time.Time `json:"made,omitempty"` // if it is cached
	Reasons []string   `json:"reasons"`        // why it is not cached
	Note    string     `json:"note,omitempty"`
}

// Why tells which layers of a plan are cached and, of those that are not, what changed since the recipe was last built
// with this cache. Nothing is made.
func Why(p *Plan, o Options) ([]Reasons, error) {
	last, err := recall(p, o)
	if err != nil {
		return nil, err
	}
	var out []Reasons
	key, store := layers.Root(p.Date), o.store()
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

// find looks a layer up in the store and says why it is not there: its own changes, or those of a layer below.
func (r *Reasons) find(s layers.Store, key layers.Key, l Layer, stored bool, own []string, below string, same bool) error {
	record, err := s.Record(key)
	switch {
	case l.Layer.Kind().Kept:
		r.Reasons = append([]string{"it is made anew for every image, in no time"}, own...)
		return nil
	case !stored:
		r.Reasons = append([]string{"it is made anew for every image, since it may hold secrets"}, own...)
		return nil
	case err == nil:
		r.Cached, r.Note = true, unlocked(l, s, key)
		if !record.Made.IsZero() {
			r.Made = &record.Made
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if d, ok := l.Layer.(debian.Layer); ok && d.Lock == nil {
		r.Note = "not locked: the newest packages will be taken"
	}
	r.Reasons = append(r.Reasons, own...)
	switch {
	case same:
		r.Reasons = append(r.Reasons, "it was pruned from the cache")
	case below != "":
		r.Reasons = append(r.Reasons, "what lies below changed: "+below)
	case len(own) == 0:
		r.Reasons = append(r.Reasons, "what lies below changed")
	}
	return nil
}

// compare says how a layer differs from the one of the same name in the last build.
func (b *lastBuild) compare(name string, now layers.Record) ([]string, error) {
	if b == nil {
		return []string{"no build of this recipe is known to this cache"}, nil
	}
	old := b.layer(name)
	switch {
	case old == nil:
		return []string{"it is new"}, nil
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

func (b *lastBuild) layer(name string) *Made {
	for i, label := range labels(b.Layers, func(m Made) string { return m.Name }) {
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

// labels names layers by their names, with a number from the second of a name on.
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
