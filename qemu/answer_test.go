package qemu

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadAnswer(t *testing.T) {
	const head = "pkbuild-probe 1\n"
	tests := map[string]struct {
		text string
		want answer
		err  string
	}{
		"nothing found": {text: head + "end\n", want: answer{}},
		"sections": {
			text: head + "section a 0\n|one\n|\n||two\nsection b -1\nend\n",
			want: answer{"a": {lines: []string{"one", "", "|two"}}, "b": {code: -1}},
		},
		"what looks like more": {
			text: head + "section a 0\n|end\n|section b 0\nend\n",
			want: answer{"a": {lines: []string{"end", "section b 0"}}},
		},
		"what follows the end": {text: head + "end\nmore", want: answer{}},
		"empty":                {text: "", want: answer{}, err: "line 1: unexpected EOF"},
		"another version": {
			text: "pkbuild-probe 2\nend\n", want: answer{}, err: `line 1: "pkbuild-probe 2" is out of place`,
		},
		"no head":   {text: "section a 0\nend\n", err: `line 1: "section a 0" is out of place`},
		"end only":  {text: "end\n", err: `line 1: "end" is out of place`},
		"head only": {text: head, want: answer{}, err: "line 2: unexpected EOF"},
		"head twice": {
			text: head + head + "end\n", want: answer{}, err: `line 2: "pkbuild-probe 1" is out of place`,
		},
		"cut short":          {text: head + "section a 0\n|on", want: answer{"a": {}}, err: "line 3: unexpected EOF"},
		"end cut short":      {text: head + "end", want: answer{}, err: "line 2: unexpected EOF"},
		"line of no section": {text: head + "|one\nend\n", want: answer{}, err: `line 2: "|one" is out of place`},
		"bare line": {
			text: head + "section a 0\none\nend\n", want: answer{"a": {}}, err: `line 3: "one" is out of place`,
		},
		"section twice": {
			text: head + "section a 0\nsection a 0\nend\n", want: answer{"a": {}}, err: `line 3: "section a 0" is out of place`,
		},
		"no exit code": {
			text: head + "section a\nend\n", want: answer{}, err: `line 2: "section a" is out of place`,
		},
		"exit code in words": {
			text: head + "section a one\nend\n", want: answer{}, err: `line 2: "section a one" is out of place`,
		},
		"no name": {
			text: head + "section  0\nend\n", want: answer{}, err: `line 2: "section  0" is out of place`,
		},
		"too much to say": {
			text: head + "section a 0\n" + strings.Repeat("|x", maxAnswer/2),
			want: answer{"a": {}}, err: "line 3: unexpected EOF",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := readAnswer(strings.NewReader(tt.text))
			if tt.err != "" {
				require.EqualError(t, err, "answer of the probe: "+tt.err)
			} else {
				require.NoError(t, err)
			}
			if tt.want != nil {
				require.Equal(t, tt.want, got)
			}
		})
	}
}

func FuzzReadAnswer(f *testing.F) {
	good, err := os.ReadFile("testdata/answer")
	require.NoError(f, err)
	f.Add(string(good))
	f.Add("pkbuild-probe 1\nsection a 0\n|one\nsection units 0\n|Id=a\nend\n")
	f.Add("pkbuild-probe 1\nsection report 0\n|{}\nsection mountinfo 0\n|1 2 0:1 / / rw - ext4 x rw\nend\n")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := readAnswer(strings.NewReader(text))
		if err != nil {
			return
		}
		r := &Result{}
		_ = r.fill(a, []Check{{Name: "x"}})
		_ = Judge(r)
	})
}
