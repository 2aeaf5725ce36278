package main

import "maps"

func buildahRootlessClient() client {
	reasons := maps.Clone(buildahWithout)
	return client{name: "buildah rootless", version: asUser(buildahVersion), open: func(s *scene) actions {
		return openBuildah(s, s.newAccount())
	}, without: reasons}
}
