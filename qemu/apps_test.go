package qemu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const appManifest = `deploys:
  a: {package: /packages/a}
  web/view: {package: /packages/view}
exports:
  a: {file: [overlays/etc/a]}
  web/view: {compose-app: {name: web_view, services: [page, setup]}}
`

func TestApps(t *testing.T) {
	for name, test := range map[string]struct {
		manifest, containers Output
		want                 []string
	}{
		"no stage":     {out(1, "cat: no such file"), out(127, "sh: docker: not found"), nil},
		"running":      {out(0, appManifest), out(0, "other x Exited (1) 2 hours ago\nweb_view page Up 3 seconds (healthy)\nweb_view setup Exited (0) 1 second ago"), nil},
		"no Docker":    {out(0, appManifest), out(127, "sh: docker: not found"), []string{"app web/view of the stage does not run: sh: docker: not found"}},
		"no container": {out(0, appManifest), out(0, ""), []string{"app web/view of the stage does not run: it has no container; does the image have pkctl-apply.service?"}},
		"ended": {out(0, appManifest), out(0, "web_view page Exited (1) 2 seconds ago\nweb_view setup Created"), []string{
			"service page of the stage's app web/view does not run: Exited (1) 2 seconds ago",
			"service setup of the stage's app web/view does not run: Created",
		}},
		"no apps": {out(0, "exports:\n  a: {file: [x]}\n"), out(127, "sh: docker: not found"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := goodResult()
			require.NoError(t, r.fillApps(test.manifest, test.containers))
			require.Equal(t, test.want, Judge(r))
		})
	}
	r := goodResult()
	require.ErrorContains(t, r.fillApps(out(0, "exports: ["), Output{}), "manifest of the guest's stage: ")
	require.EqualError(t, r.fillApps(out(0, appManifest), out(0, "words")), `docker ps in the guest: unexpected line "words"`)
}
