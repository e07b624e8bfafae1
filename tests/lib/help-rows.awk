# Options as "SYNOPSIS => DEFAULT" lines, from --help (the default) or from mdoc (-v mdoc=1): the two
# must be the same list.
function emit() {
    if (row != "") {
        gsub(/[ \t\n]+/, " ", text)
        value = ""
        if (mdoc && match(text, /Default: .*\.$/))
            value = substr(text, RSTART + 9, RLENGTH - 10)
        else if (!mdoc && match(text, /\(default: .*\)/))
            value = substr(text, RSTART + 10, RLENGTH - 11)
        sub(/\).*/, "", value)
        print row " => " value
    }
    row = text = ""
}
mdoc && /^\.Sh / { emit(); other = /CALLED AS/ } # the letters of sendmail have no rows
mdoc && other { next }
mdoc && /^\.It Fl / {
    emit()
    row = substr($0, 5)
    gsub(/Fl Fl /, "--", row)
    gsub(/Fl /, "-", row)
    gsub(/Ar /, "", row)
    gsub(/ ,/, ",", row)
    next
}
mdoc && /^\.(El|It)/ { emit() }
mdoc && row != "" && !/^\./ { gsub(/\\-/, "-"); text = text " " $0 }
!mdoc && /^  (-|    --)/ {
    emit()
    row = substr($0, 3)
    sub(/^ +/, "", row)
    if (match(row, /   *[^ ]/)) {
        text = substr(row, RSTART + RLENGTH - 1)
        row = substr(row, 1, RSTART - 1)
    }
    next
}
!mdoc && /^                            / { text = text " " $0; next }
!mdoc { emit() }
END { emit() }
