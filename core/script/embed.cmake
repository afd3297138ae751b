# Writes OUT: the files of FILES (joined by "|", below ROOT) and ARGPARSE as rows of embedded_files.
include(${CMAKE_CURRENT_LIST_DIR}/../embed.cmake)
string(REPLACE "|" ";" files "${FILES}")

foreach(path IN LISTS files)
  string(REGEX REPLACE "(/init)?\\.lua$" "" module "${path}")
  string(REPLACE "/" "." module "${module}")
  embed(${ROOT}/${path} "\"${module}\", \"${path}\"")
endforeach()
embed(${ARGPARSE} "\"argparse\", \"argparse.lua\"")
embed_write(${OUT} script/script_int.h embedded_file embedded_file)
