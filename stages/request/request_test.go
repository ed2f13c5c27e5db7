package request_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/request"
)

func TestParseText(t *testing.T) {
	factory := report.Request{Stage: "factory", Overrides: "off"}
	for what, c := range map[string]struct {
		text string
		want report.Request
	}{
		"plain":            {"stage=factory\noverrides=off\n", factory},
		"Windows":          {"\xef\xbb\xbfstage=factory\r\noverrides=off", factory},
		"old Mac":          {"stage=factory\roverrides=off\r", factory},
		"UTF-16, little":   {"\xff\xfes\x00t\x00a\x00g\x00e\x00=\x002\x00\r\x00\n\x00", report.Request{Stage: "2"}},
		"UTF-16, big":      {"\xfe\xff\x00s\x00t\x00a\x00g\x00e\x00=\x002", report.Request{Stage: "2"}},
		"a phone":          {"Stage = “Factory”\nOVERRIDES : Off\n", factory},
		"comments":         {"# for Ana\n\nstage=none # the image\n", report.Request{Stage: "none"}},
		"as an argument":   {"pkinit.stage=12", report.Request{Stage: "12"}},
		"a reset":          {"reset=all", report.Request{Reset: "all"}},
		"the last counts":  {"stage=1\nstage=2", report.Request{Stage: "2"}},
		"Latin-1 comment":  {"stage=3 # g\xfcltig", report.Request{Stage: "3"}},
		"an empty request": {"", report.Request{}},
	} {
		t.Run(what, func(t *testing.T) {
			got, mistakes := request.ParseText([]byte(c.text))
			require.Empty(t, mistakes)
			require.Equal(t, c.want, got)
		})
	}
	_, mistakes := request.ParseText([]byte("stage=fctory\nstage=0\nwifi=x\nhello"))
	require.Equal(t, []string{
		`"stage=fctory": value "fctory" of stage is unknown: use factory, none`,
		`"stage=0": value "0" of stage is unknown: use factory, none`,
		`"wifi=x": key "wifi" is unknown: use stage, overrides or reset`,
		`"hello": key "hello" is unknown: use stage, overrides or reset`,
	}, mistakes)
}

func TestIsTextFile(t *testing.T) {
	for name, want := range map[string]bool{
		"pkinit.txt": true, "PKINIT.TXT": true, "Pkinit.txt.txt": true, "pkinit-result.txt": false, "pkinit": false, "config.txt": false,
	} {
		require.Equal(t, want, request.IsTextFile(name), name)
	}
}

func TestParseCmdline(t *testing.T) {
	r, mistakes := request.ParseCmdline("root=x pkinit.grow pkinit.stage=1 pkinit.stage=factory pkinit.overrides=off -- pkinit.stage=9\n")
	require.Empty(t, mistakes)
	require.Equal(t, report.Request{Stage: "factory", Overrides: "off"}, r)
	_, mistakes = request.ParseCmdline("pkinit.stage=x")
	require.Equal(t, []string{`pkinit.stage=x: value "x" of stage is unknown: use factory, none`}, mistakes)
}

func TestNext(t *testing.T) {
	r, err := request.ParseList("stage=2,overrides=off")
	require.NoError(t, err)
	data, err := request.Next(r).Marshal()
	require.NoError(t, err)
	got, err := request.ParseNext(data)
	require.NoError(t, err)
	require.Equal(t, r, got)
	_, err = request.ParseList("stage")
	require.EqualError(t, err, `value "" of stage is unknown: use factory, none`)
	_, err = request.ParseNext([]byte(`{"version": 2}`))
	require.EqualError(t, err, "parse next-boot.json: version is 2, want 1")
}

func TestMerge(t *testing.T) {
	got := request.Merge(report.Request{Stage: "1", Source: "a"}, report.Request{Stage: "2", Overrides: "off", Source: "b"})
	require.Equal(t, report.Request{Stage: "1", Overrides: "off", Source: "a and b"}, got)
	require.Equal(t, report.Request{Stage: "2", Source: "b"}, request.Merge(report.Request{}, report.Request{Stage: "2", Source: "b"}))
}

func FuzzParseText(f *testing.F) {
	f.Add([]byte("stage=factory\r\noverrides=off"))
	f.Add([]byte("\xff\xfes\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, _ := request.ParseText(data)
		next, err := request.Next(r).Marshal()
		require.NoError(t, err)
		again, err := request.ParseNext(next)
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
