# Installs the build tree, then configures, builds and runs a project that only knows find_package(graft).
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\n${out}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G ${GENERATOR}
  -DCMAKE_PREFIX_PATH=${WORK}/prefix -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
if(NOT out MATCHES "class [0-9]")
  message(FATAL_ERROR "the consumer printed: ${out}")
endif()
# Epochs of 64, 96 and 128 of the 128 examples.
run(${WORK}/build/custom_sampler ${WORK}/custom)
if(NOT out MATCHES "backprops 288 of 384")
  message(FATAL_ERROR "the sampler of its own printed: ${out}")
endif()
run(${WORK}/prefix/bin/graft version)

# A model made by the installed binary serves the C++ and the C program; both give one answer.
set(graft ${WORK}/prefix/bin/graft)
run(${graft} -q train --data synthetic:train=60,test=20 --model small_cnn --epochs 1 --threads 1
  --device cpu --out ${WORK}/run)
run(${graft} import ${WORK}/run --out ${WORK}/m.graft)
file(WRITE ${WORK}/x.ppm "P6 2 2 255 abcdefghijkl")
run(${WORK}/build/classify ${WORK}/m.graft ${WORK}/x.ppm)
set(answer "${out}")
run(${WORK}/build/classify_c ${WORK}/m.graft ${WORK}/x.ppm)
if(NOT out STREQUAL answer OR NOT out MATCHES "^[0-9.e-]+ [^\n]+\n[0-9.e-]+ ")
  message(FATAL_ERROR "C++ printed: ${answer} C printed: ${out}")
endif()
