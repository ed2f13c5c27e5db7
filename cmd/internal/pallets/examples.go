package pallets

import (
	"strings"

	"github.com/spf13/cobra"
)

// examples are calls of the commands, without the program.
var examples = map[string][]string{
	"check":         {"check --lint", "check -C pallets/standard"},
	"plan":          {"plan -C pallets/standard"},
	"show":          {"show -C pallets/standard"},
	"bundle":        {"bundle out/bundle -C pallets/standard"},
	"init":          {"init -C mine --as github.com/me/mine", "init -C mine --as github.com/me/mine --from github.com/PlanktoScope/pallet-standard@v2024.0.0"},
	"sum":           {"sum -C mine"},
	"ls-depl":       {"ls-depl --json"},
	"ls-feat":       {"ls-feat"},
	"ls-pkg":        {"ls-pkg"},
	"ls-file":       {"ls-file"},
	"ls-dl":         {"ls-dl"},
	"ls-img":        {"ls-img"},
	"ls-plt":        {"ls-plt"},
	"ls-repo":       {"ls-repo"},
	"show-depl":     {"show-depl host/banner"},
	"locate-file":   {"locate-file deployments/infra/mosquitto.deploy.yml"},
	"add-depl":      {"add-depl host/banner /packages/host/banner --feat loud"},
	"del-depl":      {"del-depl host/banner"},
	"enable-depl":   {"enable-depl host/banner"},
	"disable-depl":  {"disable-depl host/banner"},
	"set-depl-pkg":  {"set-depl-pkg host/banner /packages/host/motd"},
	"add-depl-feat": {"add-depl-feat host/banner loud"},
	"del-depl-feat": {"del-depl-feat host/banner loud"},
	"add-plt":       {"add-plt github.com/PlanktoScope/pallet-standard@v2024.0.0"},
	"add-repo":      {"add-repo github.com/PlanktoScope/device-pkgs@main"},
	"del-plt":       {"del-plt github.com/PlanktoScope/pallet-standard"},
	"del-repo":      {"del-repo github.com/PlanktoScope/device-pkgs"},
}

// addExamples adds the examples to the help of the commands of a program.
func addExamples(group *cobra.Command, program string) {
	for _, cmd := range group.Commands() {
		var lines []string
		for _, call := range examples[cmd.Name()] {
			lines = append(lines, "  "+program+" pallet "+call)
		}
		cmd.Example = strings.Join(lines, "\n")
	}
}
