// Package packaging has nothing but tests: of what packagers get from the tree. deb.sh makes a Debian package, check.sh tries it.
package packaging
