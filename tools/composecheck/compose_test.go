package composecheck

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

const root = "../.."

func TestEveryPathOfTheDeploymentExists(t *testing.T) {
	t.Parallel()
	for name, service := range load(t).Services {
		for _, path := range localPaths(service) {
			require.FileExists(t, path, "service %s", name)
		}
	}
}

func TestEveryImageIsPinned(t *testing.T) {
	t.Parallel()
	for name, service := range load(t).Services {
		if service.Build != nil {
			continue
		}
		require.Regexp(t, pinned, service.Image, "service %s", name)
	}
	for _, image := range baseImages(t, filepath.Join(root, "deploy/Dockerfile")) {
		require.Regexp(t, pinned, image, "deploy/Dockerfile")
	}
}

func TestPinnedMeansATagThatDoesNotMove(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]bool{
		"postgres:17.10-alpine":                      true,
		"gcr.io/distroless/static-debian13:nonroot":  true,
		"registry:5000/team/tool:1.2":                true,
		"postgres@sha256:" + strings.Repeat("a", 64): true,
		"postgres":                         false,
		"postgres:latest":                  false,
		"registry:5000/team/tool":          false,
		"gcr.io/distroless/static-debian1": false,
	} {
		require.Equal(t, want, pinned.MatchString(image), image)
	}
}

func TestEveryServiceShowsItsHealthOrEnds(t *testing.T) {
	t.Parallel()
	project := load(t)
	jobs := awaitedToComplete(project)
	for name, service := range project.Services {
		if slices.Contains(jobs, name) {
			require.NotEqual(t, types.RestartPolicyAlways, service.Restart, "job %s would run for ever", name)
			require.NotEqual(t, types.RestartPolicyUnlessStopped, service.Restart, "job %s would run for ever", name)
			continue
		}
		require.NotNil(t, service.HealthCheck, "service %s runs for ever and needs a healthcheck", name)
		require.NotEmpty(t, service.HealthCheck.Test, "service %s", name)
		require.False(t, service.HealthCheck.Disable, "service %s", name)
		require.Equal(t, types.RestartPolicyUnlessStopped, service.Restart, "service %s", name)
	}
}

func TestNobodyStartsBeforeItsNeedsAreMet(t *testing.T) {
	t.Parallel()
	project := load(t)
	jobs := awaitedToComplete(project)
	for name, service := range project.Services {
		for needed, dependency := range service.DependsOn {
			want := types.ServiceConditionHealthy
			if slices.Contains(jobs, needed) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			require.Equal(t, want, dependency.Condition, "service %s needs %s", name, needed)
		}
	}
}

func TestPortsAreReachedFromThisMachineOnly(t *testing.T) {
	t.Parallel()
	for name, service := range load(t).Services {
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "service %s, port %s", name, port.Published)
		}
	}
}

func TestDatabasesOutliveTheirContainers(t *testing.T) {
	t.Parallel()
	project := load(t)
	databases := 0
	for name, service := range project.Services {
		if !strings.HasPrefix(service.Image, "postgres:") {
			continue
		}
		databases++
		require.True(t, slices.ContainsFunc(service.Volumes, func(volume types.ServiceVolumeConfig) bool {
			_, named := project.Volumes[volume.Source]
			return named && volume.Type == types.VolumeTypeVolume && volume.Target == "/var/lib/postgresql/data"
		}), "service %s keeps its data in no named volume", name)
	}
	require.Equal(t, 2, databases, "Temporal and Dropline have a database each")
}

func TestPasswordsCanBeReplaced(t *testing.T) {
	t.Parallel()
	const secret = "replaced-by-the-operator"
	project := load(t, "DROPLINE_DB_PASSWORD="+secret, "TEMPORAL_DB_PASSWORD="+secret)
	for name, service := range project.Services {
		for key, value := range service.Environment {
			if strings.Contains(key, "PASSWORD") || strings.HasSuffix(key, "_PWD") || key == "DATABASE_URL" {
				require.Contains(t, *value, secret, "service %s, %s", name, key)
			}
		}
	}
}

func TestOurServicesAreGivenOnlySettingsTheyRead(t *testing.T) {
	t.Parallel()
	read := settingsRead(t)
	ours := 0
	for name, service := range load(t).Services {
		if service.Build == nil {
			continue
		}
		ours++
		for key := range service.Environment {
			require.Contains(t, read, key, "service %s: no code reads %s", name, key)
		}
	}
	require.Equal(t, 3, ours, "migrate, worker and gateway run our image")
}

func TestOurServicesRunProgramsOfTheImage(t *testing.T) {
	t.Parallel()
	dockerfile := string(readFile(t, filepath.Join(root, "deploy/Dockerfile")))
	for name, service := range load(t).Services {
		if service.Build == nil {
			continue
		}
		programs := []string{service.Command[0]}
		if service.HealthCheck != nil {
			programs = append(programs, service.HealthCheck.Test[1])
		}
		for _, program := range programs {
			directory, base := filepath.Split(program)
			require.Equal(t, "/usr/local/bin/", directory, "service %s", name)
			require.Regexp(t, `go build .*\./(\w+/)?`+base+`( |$)`, strings.ReplaceAll(dockerfile, "\n", " "), "service %s", name)
		}
	}
}

// A tag, or a digest; "latest" and no tag at all move under one's feet.
var pinned = regexp.MustCompile(`^[^:@]+(:\d+/[^:@]+)?(:(v?\d[\w.-]*|nonroot)|@sha256:[0-9a-f]{64})$`)

// load reads docker-compose.yml as "docker compose config" would, with only the given environment.
func load(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root),
		cli.WithEnv(environment),
	)
	require.NoError(t, err)
	project, err := options.LoadProject(context.Background())
	require.NoError(t, err)
	return project
}

// localPaths are the files of this repository that a service is built from or mounts.
func localPaths(service types.ServiceConfig) []string {
	var paths []string
	if service.Build != nil {
		paths = append(paths, filepath.Join(service.Build.Context, service.Build.Dockerfile))
	}
	for _, volume := range service.Volumes {
		if volume.Type == types.VolumeTypeBind {
			paths = append(paths, volume.Source)
		}
	}
	return paths
}

func awaitedToComplete(project *types.Project) []string {
	var jobs []string
	for _, service := range project.Services {
		for needed, dependency := range service.DependsOn {
			if dependency.Condition == types.ServiceConditionCompletedSuccessfully {
				jobs = append(jobs, needed)
			}
		}
	}
	return jobs
}

func baseImages(t *testing.T, dockerfile string) []string {
	t.Helper()
	var images []string
	from := regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`)
	for _, match := range from.FindAllStringSubmatch(string(readFile(t, dockerfile)), -1) {
		images = append(images, match[1])
	}
	require.NotEmpty(t, images)
	return images
}

// settingsRead is every environment variable that the code may read: each string literal of the
// product that looks like one, and those that libraries read, listed in testdata/settings.txt.
func settingsRead(t *testing.T) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(string(readFile(t, "testdata/settings.txt"))) {
		if name, _, _ := strings.Cut(line, "#"); strings.TrimSpace(name) != "" {
			names = append(names, strings.TrimSpace(name))
		}
	}
	for _, directory := range []string{"activities", "internal", "starter", "worker", "workflows"} {
		found, err := settingLiterals(os.DirFS(root), directory)
		require.NoError(t, err)
		names = append(names, found...)
	}
	return names
}

var setting = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

func settingLiterals(files fs.FS, directory string) ([]string, error) {
	if _, err := fs.Stat(files, directory); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	err := fs.WalkDir(files, directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := fs.ReadFile(files, path)
		if err != nil {
			return fmt.Errorf("settings of %s: %w", path, err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("settings of %s: %w", path, err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && setting.MatchString(text) {
					names = append(names, text)
				}
			}
			return true
		})
		return nil
	})
	return names, err
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}
