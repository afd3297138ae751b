# Writes OUT: the files of FILES (joined by "|", below ROOT) and ARGPARSE as rows of embedded_files.
string(REPLACE "|" ";" files "${FILES}")
set(arrays "")
set(rows "")
set(count 0)

function(embed file module path)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  set(arrays "${arrays}static const unsigned char file_${count}[] = {${bytes}0};\n" PARENT_SCOPE)
  set(rows "${rows}    {\"${module}\", \"${path}\", file_${count}, sizeof file_${count} - 1},\n"
    PARENT_SCOPE)
  math(EXPR count "${count} + 1")
  set(count ${count} PARENT_SCOPE)
endfunction()

foreach(path IN LISTS files)
  string(REGEX REPLACE "(/init)?\\.lua$" "" module "${path}")
  string(REPLACE "/" "." module "${module}")
  embed(${ROOT}/${path} ${module} ${path})
endforeach()
embed(${ARGPARSE} argparse argparse.lua)

file(WRITE ${OUT} "/* Made by embed.cmake. */\n#include \"script/script_int.h\"\n\n${arrays}
const struct embedded_file embedded_files[] = {\n${rows}};
const size_t embedded_file_count = array_count(embedded_files);\n")
