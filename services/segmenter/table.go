package segmenter

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/services/dataset"
)

// column is a column of an EcoTaxa table.
type column struct {
	name   string
	number bool
	value  string // the same in all rows, unless the column belongs to the object
}

// table is an EcoTaxa table: columns that are the same for all objects, and those of the objects.
type table struct {
	common   []column
	features []column
}

// limits are the largest numbers of columns that EcoTaxa takes for a prefix: numbers and text of objects are counted
// apart, all others together.
var limits = []struct {
	prefix  string
	numbers int
	texts   int // 0: counted with the numbers
}{{"object_", 500, 20}, {"acq_", 30, 0}, {"process_", 30, 0}, {"sample_", 30, 0}}

// namespace is the UUID namespace of process_uuid.
var namespace = uuid.MustParse("4d3f9a52-0b0f-5c55-9a0e-6f3c1f1d7a10")

// newTable returns the columns of a data set. It fails if there are more than EcoTaxa takes.
func newTable(m *dataset.Metadata, s Settings, h header) (*table, error) {
	t := &table{}
	process := s.ProcessID
	if process == "" {
		process = m.Text("process_id")
	}
	own := []column{
		{"process_datetime", false, h.Started.Format("2006-01-02T15:04:05.000000")},
		{"process_uuid", false, uuid.NewSHA1(namespace, []byte(h.Version+"\n"+h.Settings+"\n"+strings.Join(h.Pictures, "\n"))).String()},
		{"process_id", false, fmt.Sprintf("%s_%s_%s", m.Text("sample_project"), m.Text("sample_id"), process)},
	}
	ordinals := []string{"1st", "2nd", "3rd", "4th", "5th", "6th", "7th"}
	for i, text := range s.operations() {
		own = append(own, column{"process_" + ordinals[i] + "_operation", false, text})
	}
	for _, name := range FeatureNames {
		t.features = append(t.features, column{"object_" + name, true, ""})
	}
	t.features = append(t.features, column{"object_id", false, ""}, column{"img_file_name", false, ""}, column{"img_rank", true, "1"})

	computed := map[string]bool{}
	for _, c := range append(own, t.features...) {
		computed[c.name] = true
	}
	for _, key := range m.Keys() {
		if hasPrefix(key) && !computed[key] {
			t.common = append(t.common, column{cell(key), m.IsNumber(key), cell(m.Text(key))})
		}
	}
	t.common = append(t.common, own...)
	for i := range t.common {
		t.common[i].value = cell(t.common[i].value)
	}
	return t, t.check()
}

// hasPrefix reports whether a key of the metadata belongs in the table.
func hasPrefix(key string) bool {
	for _, prefix := range []string{"sample", "acq", "object", "process"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// cell returns text without the characters that separate cells and rows.
func cell(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// check compares the numbers of columns with EcoTaxa's limits.
func (t *table) check() error {
	for _, limit := range limits {
		numbers, texts := 0, 0
		for _, c := range append(t.common[:len(t.common):len(t.common)], t.features...) {
			switch {
			case !strings.HasPrefix(c.name, limit.prefix) || c.name == "object_id":
			case c.number || limit.texts == 0:
				numbers++
			default:
				texts++
			}
		}
		if numbers > limit.numbers {
			return fmt.Errorf("%d columns begin with %s, EcoTaxa takes %d: remove some from metadata.json", numbers, limit.prefix, limit.numbers)
		}
		if texts > limit.texts && limit.texts > 0 {
			return fmt.Errorf("%d text columns begin with %s, EcoTaxa takes %d: remove some from metadata.json", texts, limit.prefix, limit.texts)
		}
	}
	return nil
}

// write returns the table with two header rows, names and types, and a row for each object.
func (t *table) write(objects []Object) []byte {
	var b strings.Builder
	var names, types, common []string
	for _, c := range append(t.common[:len(t.common):len(t.common)], t.features...) {
		names = append(names, c.name)
		if c.number {
			types = append(types, "[f]")
		} else {
			types = append(types, "[t]")
		}
	}
	for _, c := range t.common {
		common = append(common, c.value)
	}
	row := func(cells []string) { b.WriteString(strings.Join(cells, "\t") + "\n") }
	row(names)
	row(types)
	for _, o := range objects {
		cells := common[:len(common):len(common)]
		for _, v := range o.Features {
			cells = append(cells, number(v))
		}
		row(append(cells, o.Name, o.Cutout(), "1"))
	}
	return []byte(b.String())
}

// number formats a feature with ten digits, so that it does not depend on the processor's rounding.
func number(v float64) string {
	if math.Abs(v) < 1e-12 {
		v = 0
	}
	return strconv.FormatFloat(v, 'g', 10, 64)
}

// operations returns the texts of the columns process_1st_operation and following.
func (s Settings) operations() []string {
	if s.Method == Adaptive {
		return adaptiveOperations
	}
	return operations
}
